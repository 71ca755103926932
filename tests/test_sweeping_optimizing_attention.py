"""A way of computing attention in force for a block: set, looked at, refused where it is another, and put back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from optimized_models import BATCH, FromHub, Packaged, Pair, Stubborn
from torch import nn

import layerprof as lp
from layerprof.models import adapter_for
from layerprof.records import SeenOp, TruthRecord
from layerprof.sweeping.base.failures import failure_of
from layerprof.sweeping.base.refusals import RefusedError
from layerprof.sweeping.measuring.optimizing import failure_of_truth, optimized

FLASH_OF_CPU = "aten::_scaled_dot_product_flash_attention_for_cpu"
MATH = "aten::_scaled_dot_product_attention_math"
SDPA_SWITCHES: tuple[Callable[[], bool], ...] = (
    torch.backends.cuda.flash_sdp_enabled,
    torch.backends.cuda.math_sdp_enabled,
)


def attentions(model: nn.Module) -> dict[str, str | None]:
    return {part.name: part.attention for part in adapter_for(model).describe(model).parts}


def truth_of(model: nn.Module, optimization: str | None) -> TruthRecord:
    with optimized(model, optimization) as way:
        way.prepare(BATCH)
        way.mark()
        return way.truth(BATCH)


def refusal(model: nn.Module, optimization: str) -> tuple[str, str]:
    with pytest.raises(RefusedError) as raised, optimized(model, optimization):
        pass
    return raised.value.failure.kind, raised.value.failure.text


@pytest.mark.parametrize(
    ("optimization", "names"),
    [
        (None, {FLASH_OF_CPU}),
        ("eager", {"aten::bmm", "aten::_softmax"}),
        ("sdpa", {FLASH_OF_CPU}),
        ("sdpa_flash", {FLASH_OF_CPU}),
        ("sdpa_math", {MATH}),
    ],
)
def test_attention_is_seen_by_part_as_it_is_computed(optimization: str | None, names: set[str]) -> None:
    truth = truth_of(Pair(), optimization)

    assert {(op.part, op.name) for op in truth.attention_ops} == {
        (part, name) for part in ("vision", "language") for name in names
    }
    assert truth.is_in_force is (None if optimization is None else True)
    assert truth.optimization == optimization
    assert truth.reasons == ()
    assert failure_of_truth(truth) is None


def test_calls_are_those_of_one_step() -> None:
    truth = truth_of(Pair(), "eager")

    assert SeenOp(part="vision", name="aten::bmm", calls=2) in truth.attention_ops
    assert SeenOp(part="vision", name="aten::_softmax", calls=1) in truth.attention_ops


def test_what_is_not_compiled_has_no_graphs() -> None:
    truth = truth_of(Pair(), "sdpa")

    assert dict(truth.graphs) == {}
    assert (truth.recompiles, truth.graph_breaks, truth.compile_s, truth.generate_graphs) == (None,) * 4


@pytest.mark.parametrize("optimization", ["eager", "sdpa_math"])
def test_after_the_block_all_is_as_before(optimization: str) -> None:
    model = Pair()
    model.vision.set_attn_implementation("eager")
    before, switches = attentions(model), [is_on() for is_on in SDPA_SWITCHES]

    with pytest.raises(ArithmeticError), optimized(model, optimization):
        assert attentions(model) != before
        raise ArithmeticError

    assert attentions(model) == before
    assert [is_on() for is_on in SDPA_SWITCHES] == switches


def test_a_refused_setting_leaves_the_model_as_it_was() -> None:
    model = Stubborn()
    before = attentions(model)

    refusal(model, "eager")

    assert attentions(model) == before


def test_a_part_that_keeps_another_attention_is_a_refusal() -> None:
    kind, text = refusal(Stubborn(), "eager")

    assert kind == "not_in_force"
    assert text == "eager was asked for and is not in force: language computes sdpa"


def test_a_model_without_a_choice_of_attention_is_a_refusal() -> None:
    kind, text = refusal(nn.Linear(2, 2), "sdpa_math")

    assert kind == "unsupported"
    assert text == "Linear has no choice of attention, so sdpa_math cannot be set"


def test_an_attention_whose_package_is_missing_is_unavailable() -> None:
    kind, text = refusal(Packaged(), "flash_attention_2")

    assert kind == "unavailable"
    assert text.endswith("doesn't seem to be installed; install the package that it is in")


def test_flash_attention_of_the_whole_names_the_parts_that_support_it() -> None:
    kind, text = refusal(Pair(supports_flash=True), "flash_attention_2")

    assert kind == "unsupported"
    assert text == (
        "flash_attention_2 is refused: ValueError: Pair does not support Flash Attention 2 yet; "
        "flash_attention_2_parts sets it in vision, which support it"
    )


def test_flash_attention_by_part_is_set_in_those_that_support_it_and_in_no_other() -> None:
    model = Pair(supports_flash=True)
    model.set_attn_implementation("eager")

    with optimized(model, "flash_attention_2_parts"):
        found = attentions(model)

    assert found == {"model": "sdpa", "vision": "flash_attention_2", "language": "sdpa"}
    assert attentions(model) == {"model": "eager", "vision": "eager", "language": "eager"}


def test_flash_attention_by_part_is_refused_where_no_part_supports_it() -> None:
    kind, text = refusal(Pair(), "flash_attention_2_parts")

    assert kind == "unsupported"
    assert text.startswith("no part of Pair supports Flash Attention 2 by itself")


def test_flash_attention_that_was_taken_and_did_not_run_is_not_in_force() -> None:
    truth = truth_of(Pair(supports_flash=True), "flash_attention_2_parts")

    failure = failure_of_truth(truth)

    assert truth.is_in_force is False
    assert truth.reasons[0] == f"vision: no attention by flash_attention_2_parts was seen, but {FLASH_OF_CPU}"
    assert failure is not None
    assert failure.kind == "not_in_force"
    assert failure.text.startswith("flash_attention_2_parts was asked for and was not in force: vision: no attention")


def test_a_kernel_of_the_hub_in_a_packages_place_is_told_as_found() -> None:
    truth = truth_of(FromHub(), "flash_attention_2_parts")

    assert {part.name: part.attention for part in truth.parts}["vision"] == "kernels-community/flash-attn2"
    assert (
        "vision computes kernels-community/flash-attn2, a kernel of the hub in the place of a package" in truth.reasons
    )
    assert "language stays with sdpa, which is what its class supports" in ";".join(truth.reasons)


def test_a_kernel_that_there_is_not_for_the_device_is_unsupported() -> None:
    with optimized(Pair(), "sdpa_efficient") as way, pytest.raises(lp.MeasurementError) as raised:
        way.truth(BATCH)

    assert failure_of(raised.value).kind == "unsupported"


@pytest.mark.parametrize("optimization", ["eager", "sdpa_flash", "sdpa_math"])
def test_flops_are_the_same_whatever_computes_attention(optimization: str) -> None:
    model = Pair()
    wanted = lp.count_flops(model, BATCH).total

    with optimized(model, optimization) as way:
        counted = lp.count_flops(way.model, BATCH).total
        run = lp.profile(way.model, BATCH, passes=("flops", "memory"), warmup=0, repeats=1, ceilings=None)

    assert counted == run.step_flops == wanted


def test_the_vision_towers_sequence_is_counted() -> None:
    assert truth_of(Pair(), None).vision_tokens == BATCH["x"].shape[1]


def test_a_model_without_a_vision_tower_or_image_tokens_has_none() -> None:
    with optimized(nn.Linear(8, 8), None) as way:
        truth = way.truth(BATCH["x"])

    assert (truth.vision_tokens, truth.image_tokens, truth.image_processor) == (None, None, "")
    assert truth.is_in_force is None


def test_image_tokens_are_those_of_the_sample_that_has_the_fewest() -> None:
    model = nn.Embedding(10, 2)
    model.config = type("Config", (), {"image_token_id": 7})()  # as models of transformers have it
    batch = {"input_ids": torch.tensor([[7, 7, 7, 1], [7, 7, 1, 1]])}

    with optimized(model, None) as way:
        way.prepare(batch, lambda called, inputs: called(inputs["input_ids"]))
        truth = way.truth(batch)

    assert truth.image_tokens == 2


def test_the_step_that_was_prepared_is_the_one_looked_at() -> None:
    model = Pair()

    with optimized(model, "sdpa") as way:
        way.prepare(BATCH, lambda _, batch: model.language(batch["x"]))
        truth = way.truth(BATCH)

    assert {op.part for op in truth.attention_ops} == {"language"}
    assert truth.is_in_force  # a part that is not called computes no attention
