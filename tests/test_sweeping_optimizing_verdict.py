"""What is taken for attention among a step's ops and kernels, CUDA's too, and what follows from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

import layerprof as lp
from layerprof.records import (
    Distribution,
    FrozenMapping,
    KernelProfile,
    LayerProfile,
    OpProfile,
    PartInfo,
    SeenOp,
    TruthRecord,
)
from layerprof.sweeping.measuring.optimizing.base import ModelPart, Sighting, part_owning
from layerprof.sweeping.measuring.optimizing.looking import attention_ops, called_parts
from layerprof.sweeping.measuring.optimizing.verdict import failure_of_truth, faults, remarks

SECOND = Distribution(samples=(1.0,))
VISION = ModelPart(name="vision", path="vision_model", module=nn.Identity())
BLOCK = ModelPart(name="block", path="vision_model.blocks.0", module=nn.Identity())
PARTS = (VISION,)
FLASH, EFFICIENT = "aten::_scaled_dot_product_flash_attention", "aten::_scaled_dot_product_efficient_attention"
PACKAGE = "flash_attn::_flash_attn_forward"
LONG_KERNEL = "void pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits<96, 128, 64, 4>, false>(Flash_fwd_params)"


def op(name: str, *kernels: str, calls: int = 1) -> OpProfile:
    launched = tuple(KernelProfile(name=each, kind="kernel", calls=calls, device_s=SECOND) for each in kernels)
    return OpProfile(name=name, shapes=(), calls=calls, self_s=SECOND, device_s=SECOND, flops=None, kernels=launched)


@pytest.fixture(scope="module")
def empty() -> lp.Profile:
    return lp.profile(nn.Identity(), torch.ones(1), passes=("time",), warmup=0, repeats=1, ceilings=None)


def seen_in(profile: lp.Profile, path: str, *ops: OpProfile) -> tuple[SeenOp, ...]:
    rows = (*profile.layers, row_of(path, ops)) if path else (replace(profile.layers[0], ops=ops),)
    return attention_ops(replace(profile, layers=rows), PARTS)


def row_of(path: str, ops: tuple[OpProfile, ...] = (), *, calls: int = 1) -> LayerProfile:
    return LayerProfile(path=path, type_name="Any", kind="other", depth=1, stage="", calls=calls, ops=ops)


def sighting(*names: str, attention: str | None = "sdpa", called: bool = True) -> Sighting:
    part = PartInfo(name="vision", path="vision_model", dtype="bfloat16", attention=attention, device="cuda:0")
    ops = tuple(SeenOp(part="vision", name=name, calls=1) for name in names)
    return Sighting(parts=(part,), called=frozenset({"vision"} if called else ()), ops=ops)


def test_a_cuda_op_and_the_kernel_that_it_launched_are_both_seen(empty: lp.Profile) -> None:
    found = seen_in(empty, "vision_model.blocks.0.attn", op(FLASH, LONG_KERNEL, calls=3), op("aten::addmm", "gemm"))

    assert found == (
        SeenOp(part="vision", name=FLASH, calls=3),
        SeenOp(part="vision", name="pytorch_flash::flash_fwd_kernel", calls=3),
    )


def test_an_op_inside_of_another_is_not_seen_twice(empty: lp.Profile) -> None:
    found = seen_in(empty, "vision_model", op(FLASH), op("aten::_flash_attention_forward"))

    assert [each.name for each in found] == [FLASH]


def test_products_beside_a_fused_op_are_not_eager_attention(empty: lp.Profile) -> None:
    found = seen_in(empty, "vision_model", op(EFFICIENT), op("aten::bmm"), op("aten::_softmax"))

    assert [each.name for each in found] == [EFFICIENT]


@pytest.mark.parametrize("names", [("aten::_softmax", "aten::addmm"), ("aten::bmm",)])
def test_a_softmax_or_a_product_by_itself_is_no_attention(empty: lp.Profile, names: tuple[str, ...]) -> None:
    assert seen_in(empty, "vision_model", *map(op, names)) == ()


def test_an_op_outside_of_all_parts_is_under_none(empty: lp.Profile) -> None:
    assert seen_in(empty, "", op(FLASH)) == (SeenOp(part="", name=FLASH, calls=1),)


def test_a_part_that_was_not_called_is_not_among_the_called(empty: lp.Profile) -> None:
    idle = replace(empty, layers=(*empty.layers, row_of("vision_model", calls=0)))
    busy = replace(empty, layers=(*empty.layers, row_of("vision_model", calls=2)))

    assert called_parts(idle, PARTS) == frozenset()
    assert called_parts(busy, PARTS) == frozenset({"vision"})


def test_the_innermost_part_owns_a_layer() -> None:
    parts = (VISION, BLOCK)

    assert part_owning("vision_model.blocks.0.mlp", parts) is BLOCK
    assert part_owning("vision_model.blocks.01", parts) is VISION
    assert part_owning("vision_model2", parts) is None


@pytest.mark.parametrize(
    ("optimization", "names", "attention"),
    [
        ("sdpa", (FLASH, "pytorch_flash::flash_fwd_kernel"), "sdpa"),
        ("sdpa", (FLASH, EFFICIENT), "sdpa"),
        ("sdpa_flash", (FLASH,), "sdpa"),
        ("sdpa_efficient", (EFFICIENT, "fmha_cutlassF_bf16_aligned_64x128_rf_sm80"), "sdpa"),
        ("sdpa_math", ("aten::_scaled_dot_product_attention_math",), "sdpa"),
        ("flash_attention_2", (PACKAGE, "flash_fwd_kernel"), "flash_attention_2"),
        ("flash_attention_2_parts", ("flash_fwd_kernel",), "flash_attention_2"),
        ("flash_attention_2_parts", ("_flash_attn2_588b404::varlen_fwd",), "kernels-community/flash-attn2"),
        ("flash_attention_2_parts", (EFFICIENT,), "sdpa"),
    ],
)
def test_what_was_asked_for_is_in_force_where_it_was_seen(
    optimization: str, names: tuple[str, ...], attention: str
) -> None:
    assert list(faults(optimization, sighting(*names, attention=attention))) == []


@pytest.mark.parametrize(
    ("optimization", "names", "text"),
    [
        ("sdpa_flash", (EFFICIENT,), f"no attention by sdpa_flash was seen, but {EFFICIENT}"),
        ("sdpa_flash", (FLASH, EFFICIENT), f"attention by {EFFICIENT} was seen beside sdpa_flash"),
        ("sdpa_efficient", (FLASH,), "no attention by sdpa_efficient"),
        ("sdpa_math", (FLASH,), "no attention by sdpa_math"),
        ("eager", (FLASH,), "no attention by eager"),
        ("eager", ("aten::bmm", "aten::_softmax", FLASH), f"attention by {FLASH} was seen beside eager"),
        ("flash_attention_2", (FLASH, "pytorch_flash::flash_fwd_kernel"), "no attention by flash_attention_2"),
        ("flash_attention_2", (PACKAGE, FLASH), f"attention by {FLASH} was seen beside flash_attention_2"),
        ("sdpa", (), "no attention by sdpa was seen, but none that is known"),
    ],
)
def test_another_attention_than_asked_for_is_a_fault(optimization: str, names: tuple[str, ...], text: str) -> None:
    (found,) = faults(optimization, sighting(*names))

    assert found.startswith("vision: ")
    assert text in found


def test_a_part_without_attention_or_not_called_is_no_fault_beside_one_that_was_seen() -> None:
    seen = sighting("aten::_scaled_dot_product_flash_attention_for_cpu")
    (part,) = seen.parts
    others = (replace(part, name="projection", attention=None), replace(part, name="idle"))

    assert list(faults("sdpa", replace(seen, parts=(part, *others)))) == []


@pytest.mark.parametrize("seen", [sighting(attention=None), sighting(called=False)], ids=["none has any", "not called"])
def test_attention_that_nobody_saw_was_not_in_force(seen: Sighting) -> None:
    assert list(faults("sdpa", seen)) == ["no part that computes attention was seen in the step"]


def test_a_compiled_part_that_ran_no_graph_is_a_fault_only_where_it_was_called() -> None:
    seen = replace(sighting(), ran=FrozenMapping({"vision": 0, "language": 1}))

    assert list(faults("compile", seen)) == ["vision was called and ran 0 compiled graphs"]
    assert list(faults("compile", replace(seen, called=frozenset()))) == []


def test_no_remark_is_made_where_there_is_nothing_to_say() -> None:
    assert list(remarks(None, sighting(), recompiles=None)) == []
    assert list(remarks("compile", sighting(), recompiles=0)) == []


def test_a_truth_of_nothing_asked_is_no_failure() -> None:
    assert failure_of_truth(TruthRecord()) is None
