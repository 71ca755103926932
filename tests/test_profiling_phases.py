"""Generation: each phase and each layer in it is what the net says, also where nothing goes through the root's call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from answers import PASSES, REPEATS, Whole, calls_in, constant, failed_checks, nodes_of, phases_of, rows_of, wholes_of
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration

import layerprof as lp
from layerprof.attribute import attribute
from layerprof.measure import Call, Measurement, Options, resolve
from layerprof.records import PhaseRules, ProfileSpec
from layerprof.testing import (
    PRODUCT_FLOPS,
    PROMPT,
    ROWS,
    TICK_S,
    TOKENS,
    WIDTH,
    CaptioningNet,
    Expected,
    GeneratingNet,
    KnownNet,
)

X = torch.ones(ROWS, WIDTH)
ALL_PHASES = ["vision", "qformer", "prefill", "decode"]


def measured(
    net: KnownNet, call: Call, rules: PhaseRules | None = CaptioningNet.rules, passes: tuple[str, ...] = PASSES
) -> lp.Profile:
    options = Options(passes=passes, warmup=1, repeats=REPEATS, clock=net.clock)
    target = resolve(net, method=call.method, runs_step=call.function is None)
    measurement = Measurement(call, target, options, rules)
    measurement.run()
    name = type(net).__name__
    return attribute(measurement.trace(ProfileSpec(model=name, model_type=name, passes=passes)))


def of_method(passes: tuple[str, ...] = PASSES, **method_kwargs: object) -> lp.Profile:
    net = CaptioningNet()
    return measured(net, Call(model=net, inputs=X, method="generate", method_kwargs=method_kwargs), net.rules, passes)


def of_function(step: Callable[[CaptioningNet], object]) -> lp.Profile:
    net = CaptioningNet()
    return measured(net, Call(model=net, function=lambda: step(net)))


def steps_of(profile: lp.Profile) -> dict[str, int]:
    return {phase.name: phase.steps for phase in profile.phases}


def test_every_phase_is_what_the_net_says() -> None:
    profile = of_method()

    assert phases_of(profile) == CaptioningNet.phases
    assert list(steps_of(profile)) == ALL_PHASES


def test_phases_add_up_to_the_rows_and_the_step() -> None:
    profile = of_method()

    wholes = {name: Whole(answers.total_s, answers.flops) for name, answers in CaptioningNet.phases.items()}
    assert rows_of(profile) == CaptioningNet.answers.layers
    assert calls_in(profile.call_tree) == CaptioningNet.answers.calls
    assert wholes_of(profile) == wholes
    assert constant(profile.step_s) == sum(whole.total_s for whole in wholes.values())
    assert failed_checks(profile) == []


def test_a_layer_reached_past_its_parents_belongs_to_the_prefill_it_prepares() -> None:
    tree = of_method().call_tree

    (embedding,) = [(path, node.phase) for path, node in nodes_of(tree) if node.path == "language_model.embed"]
    assert embedding == (("", "language_model.embed"), "prefill")


def test_a_token_of_decode_is_the_phase_over_its_steps() -> None:
    decode = of_method().phases[-1]

    assert constant(decode.per_step_s) == (1 + 1 + 3) * TICK_S
    assert decode.flops_per_step == PRODUCT_FLOPS


@pytest.mark.parametrize("pass_name", PASSES)
def test_each_pass_alone_has_the_same_phases(pass_name: str) -> None:
    profile = of_method((pass_name,))

    assert steps_of(profile) == {"vision": 1, "qformer": 1, "prefill": 1, "decode": TOKENS - 1}
    assert failed_checks(profile) == []


def test_flops_by_phase_do_not_depend_on_the_time_pass() -> None:
    alone = of_method(("flops",))

    assert {phase.name: phase.flops for phase in alone.phases} == {
        name: answers.flops for name, answers in CaptioningNet.phases.items()
    }
    assert {
        (layer.path, name): part.flops for layer in alone.layers for name, part in layer.by_phase.items() if part.flops
    } == {
        (path, name): layer.flops
        for name, answers in CaptioningNet.phases.items()
        for path, layer in answers.layers.items()
        if layer.flops
    }


def test_bytes_are_allocated_in_the_phase_of_the_op() -> None:
    row = of_method()["language_model.layer"]

    one = ROWS * WIDTH * 4  # of one token
    assert row.by_phase["prefill"].allocated_bytes == PROMPT * one
    assert row.by_phase["decode"].allocated_bytes == (TOKENS - 1) * one


def test_without_the_roots_bracket_its_own_work_is_unattributed_in_each_phase() -> None:
    profile = of_function(CaptioningNet.step)

    assert rows_of(profile)[""] == Expected()
    assert {name: answers.unattributed_s for name, answers in phases_of(profile).items()} == {
        name: answers.layers[""].self_s for name, answers in CaptioningNet.phases.items()
    }
    assert {path: row for path, row in rows_of(profile).items() if path} == {
        path: layer for path, layer in CaptioningNet.answers.layers.items() if path
    }
    assert profile.call_tree is not None
    assert (profile.call_tree.is_range, profile.call_tree.phase) == (True, "step")
    assert failed_checks(profile) == []


def test_a_single_token_is_a_prefill_without_decode() -> None:
    profile = of_method(tokens=1)

    assert steps_of(profile) == {"vision": 1, "qformer": 1, "prefill": 1}
    assert failed_checks(profile) == []


def test_two_generations_in_a_step_have_two_of_each_phase() -> None:
    profile = of_function(lambda net: (net.step(), net.step()))

    assert steps_of(profile) == {"vision": 2, "qformer": 2, "prefill": 2, "decode": 2 * (TOKENS - 1)}
    assert constant(profile.phases[-1].total_s) == 2 * CaptioningNet.phases["decode"].total_s + TICK_S
    assert failed_checks(profile) == []


def test_a_call_that_decodes_nothing_is_one_forward() -> None:
    profile = of_function(lambda net: net(X))

    assert steps_of(profile) == {"forward": 1}
    assert profile.root.calls == 1
    assert failed_checks(profile) == []


def test_a_model_without_rules_is_one_forward() -> None:
    net = GeneratingNet()

    profile = measured(net, Call(model=net, inputs=X, method="generate"), None)

    assert steps_of(profile) == {"forward": 1}
    assert rows_of(profile) == net.answers.layers


def test_rules_for_a_language_model_alone_begin_with_the_prefill() -> None:
    net = CaptioningNet()

    profile = measured(net, Call(model=net, inputs=X, method="generate"), PhaseRules(language="language_model"))

    assert steps_of(profile) == {"prefill": 1, "decode": TOKENS - 1}
    assert constant(profile["vision"].by_phase["prefill"].total_s) == 5 * TICK_S
    assert failed_checks(profile) == []


def test_rules_that_match_no_layer_are_one_phase() -> None:
    net = CaptioningNet()

    profile = measured(net, Call(model=net, inputs=X, method="generate"), PhaseRules(language="elsewhere"))

    assert len(profile.phases) == 1
    assert rows_of(profile) == net.answers.layers
    assert failed_checks(profile) == []


def test_no_hook_of_the_phases_is_left() -> None:
    net = CaptioningNet()

    measured(net, Call(model=net, inputs=X, method="generate"))

    assert [module for module in net.modules() if module._forward_pre_hooks or module._forward_hooks] == []
    assert [module for module in net.modules() if module._forward_pre_hooks_with_kwargs] == []


def gpt2() -> nn.Module:
    config = GPT2Config(n_layer=2, n_embd=16, n_head=2, vocab_size=50, n_positions=32, bos_token_id=1, eos_token_id=2)
    model: nn.Module = GPT2LMHeadModel(config).eval()
    return model


def t5() -> nn.Module:
    config = T5Config(
        d_model=16, d_ff=16, d_kv=8, num_layers=2, num_heads=2, vocab_size=50, decoder_start_token_id=0, eos_token_id=2
    )
    model: nn.Module = T5ForConditionalGeneration(config).eval()
    return model


NEW_TOKENS = 4
GENERATION: Mapping[str, Any] = {
    "max_new_tokens": NEW_TOKENS,
    "min_new_tokens": NEW_TOKENS,
    "do_sample": False,
    "pad_token_id": 0,
}
PROMPT_IDS = {"input_ids": torch.arange(3, 8)[None], "attention_mask": torch.ones(1, 5, dtype=torch.long)}


def generated(model: nn.Module, **more: object) -> lp.Profile:
    return lp.profile(
        model,
        PROMPT_IDS,
        method="generate",
        method_kwargs={**GENERATION, **more},
        passes=("time", "flops"),
        warmup=0,
        repeats=1,
    )


@pytest.mark.parametrize("cache", [{}, {"use_cache": False}, {"cache_implementation": "static"}])
def test_a_model_of_transformers_has_a_prefill_and_a_decode_step_for_each_further_token(cache: dict[str, Any]) -> None:
    profile = generated(gpt2(), **cache)

    assert steps_of(profile) == {"prefill": 1, "decode": NEW_TOKENS - 1}
    assert {name: part.calls for name, part in profile["transformer.h.0"].by_phase.items()} == steps_of(profile)
    assert failed_checks(profile) == []


def test_a_linear_layer_does_the_prompt_in_prefill_and_a_token_in_each_decode_step() -> None:
    row = generated(gpt2())["transformer.h.1.mlp.c_fc"].by_phase

    one = 2 * 16 * 4 * 16  # a token's product
    assert (row["prefill"].flops, row["decode"].flops) == (5 * one, (NEW_TOKENS - 1) * one)


def test_without_a_cache_each_decode_step_does_the_whole_sequence_again() -> None:
    row = generated(gpt2(), use_cache=False)["transformer.h.1.mlp.c_fc"].by_phase

    one = 2 * 16 * 4 * 16
    assert row["decode"].flops == (6 + 7 + 8) * one


def test_an_encoder_and_decoder_model_decodes_with_its_decoder_alone() -> None:
    profile = generated(t5())

    assert steps_of(profile)["decode"] == NEW_TOKENS - 1
    assert "decode" not in profile["encoder.block.0"].by_phase
    assert profile["decoder.block.0"].by_phase["decode"].calls == NEW_TOKENS - 1
    assert failed_checks(profile) == []


def test_a_loop_that_generates_has_the_phases_of_a_generation() -> None:
    model = gpt2()

    with torch.no_grad(), lp.Profiler(model, passes=("bare", *PASSES)) as profiler:
        for _ in range(4):
            with profiler.step():
                model.generate(**PROMPT_IDS, **GENERATION)  # type: ignore[operator]  # it can generate

    profile = profiler.result()
    assert steps_of(profile) == {"prefill": 1, "decode": NEW_TOKENS - 1}
    assert failed_checks(profile) == []


def test_a_plain_call_of_a_model_that_could_generate_is_one_forward() -> None:
    profile = lp.profile(gpt2(), PROMPT_IDS, passes=("flops",), warmup=0, repeats=1)

    assert steps_of(profile) == {"forward": 1}
