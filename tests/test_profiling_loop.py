"""`Profiler`: the steps of a caller's own loop, dealt to the passes in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch.optim import optimizer
from transformers import GPT2Config, GPT2LMHeadModel

import layerprof as lp
from layerprof.testing import TICK_S, LayerFailedError, NestedNet, OptimizerNet, SharedNet, ThreadNet

ALL = ("bare", "time", "flops", "memory")


def run(net: NestedNet, profiler: lp.Profiler, steps: int) -> None:
    with profiler:
        for _ in range(steps):
            with profiler.step():
                net(net.inputs)


def profile_of(passes: Sequence[str], steps: int) -> lp.Profile:
    net = NestedNet()
    profiler = lp.Profiler(net, passes=passes, clock=net.clock)
    run(net, profiler, steps)
    return profiler.result()


def counts(profile: lp.Profile) -> tuple[int, int]:
    """Bare and timed steps."""
    return (profile.latency_s.n if profile.latency_s else 0), (profile.step_s.n if profile.step_s else 0)


def test_steps_are_dealt_in_turn_and_one_is_enough_for_flops_and_memory() -> None:
    profile = profile_of(ALL, steps=9)

    assert counts(profile) == (4, 3)  # bare time flops memory bare time bare time bare
    assert profile.root.flops == NestedNet.answers.step_flops
    assert profile.memory is not None


def test_rows_are_those_of_one_call_of_the_model() -> None:
    profile = profile_of(ALL, steps=8)

    for path, layer in NestedNet.answers.layers.items():
        row = profile[path]
        assert (row.calls, row.flops, row.self_s) == (
            layer.calls,
            layer.flops,
            lp.Distribution(samples=(layer.self_s,) * 3),
        )


@pytest.mark.parametrize("passes", [ALL, ("time",), ("bare", "time"), ("flops",), ("memory",), ("bare",)])
@pytest.mark.parametrize("steps", [1, 4, 9])
def test_every_check_holds(passes: Sequence[str], steps: int) -> None:
    checks = profile_of(passes, steps).checks

    assert [check for check in checks if not check.ok] == []


def test_with_one_pass_every_step_is_instrumented() -> None:
    profile = profile_of(("time",), steps=5)

    assert counts(profile) == (0, 5)
    assert profile.overhead == ()
    assert profile.latency_s is None
    assert ("no_bare_steps", "latency_s") in {(note.code, note.quantity) for note in profile.notes}


def test_bare_steps_give_the_overhead_of_the_timed_ones() -> None:
    profile = profile_of(("bare", "time"), steps=12)

    assert profile.overhead == (lp.Overhead(pass_name="time", ratio=1.0, ci95=(1.0, 1.0)),)


def test_a_pass_whose_turn_did_not_come_is_noted() -> None:
    profile = profile_of(("bare", "time", "flops", "memory"), steps=2)

    unfinished = {note.quantity for note in profile.notes if note.code == "pass_not_finished"}
    assert counts(profile) == (1, 1)
    assert {"flops", "self_flops", "unattributed_flops", "peak_bytes", "memory"} <= unfinished


def test_work_of_the_loops_body_beside_the_model_is_unattributed() -> None:
    net = NestedNet()

    with lp.Profiler(net, passes=("time",), clock=net.clock) as profiler, profiler.step():
        net(net.inputs)
        net.clock.advance_s(1.0)

    assert profiler.result().unattributed_s == lp.Distribution(samples=(1.0,))


def test_what_happens_between_steps_is_not_measured() -> None:
    net = NestedNet()

    with lp.Profiler(net, passes=("time",), clock=net.clock) as profiler:
        for _ in range(2):
            net.clock.advance_s(100.0)
            net(net.inputs)
            with profiler.step():
                net(net.inputs)

    assert profiler.result().step_s == lp.Distribution(samples=(net.answers.step_s,) * 2)


def test_the_loops_mode_and_gradients_are_its_own_affair() -> None:
    net = NestedNet().train()

    with lp.Profiler(net, passes=ALL) as profiler:
        for _ in range(4):
            with profiler.step():
                result = net(net.inputs)
                assert net.training
                assert result.requires_grad


def test_a_step_that_raises_is_not_kept_and_its_exception_comes_out() -> None:
    net = NestedNet()

    with lp.Profiler(net, passes=("bare", "time"), clock=net.clock) as profiler:
        for should_fail in (False, False, True, True, False, False):
            with pytest.raises(LayerFailedError) if should_fail else profiler.step():
                if should_fail:
                    failing_step(profiler)
                net(net.inputs)

    assert counts(profiler.result()) == (2, 2)


def failing_step(profiler: lp.Profiler) -> None:
    with profiler.step():
        raise LayerFailedError


def test_a_step_after_one_that_raised_is_whole() -> None:
    net = NestedNet()

    with lp.Profiler(net, passes=("time",), clock=net.clock) as profiler:
        with pytest.raises(LayerFailedError), profiler.step():
            net.block(net.work(torch.ones(2, 4)))
            raise LayerFailedError
        with profiler.step():
            net(net.inputs)

    profile = profiler.result()
    assert profile.step_s == lp.Distribution(samples=(net.answers.step_s,))
    assert profile["block"].calls == 1


def test_a_step_outside_the_block_is_refused() -> None:
    profiler = lp.Profiler(NestedNet())

    with pytest.raises(lp.InputError, match="outside `with"), profiler.step():
        pass


def test_a_step_after_the_block_is_refused() -> None:
    net = NestedNet()
    profiler = lp.Profiler(net)
    run(net, profiler, 1)

    with pytest.raises(lp.InputError, match="outside `with"), profiler.step():
        pass


def test_a_step_inside_a_step_is_refused_and_the_outer_one_is_kept() -> None:
    net = NestedNet()

    with lp.Profiler(net, passes=("time",), clock=net.clock) as profiler, profiler.step():
        net(net.inputs)
        with pytest.raises(lp.InputError, match="inside another step"), profiler.step():
            pass

    assert counts(profiler.result()) == (0, 1)


def test_a_result_without_steps_is_refused() -> None:
    with lp.Profiler(NestedNet()) as profiler, pytest.raises(lp.InputError, match="no step was profiled"):
        profiler.result()


def test_a_result_may_be_taken_while_the_loop_runs() -> None:
    net = NestedNet()

    with lp.Profiler(net, passes=("time",), clock=net.clock) as profiler:
        sizes = []
        for _ in range(3):
            with profiler.step():
                net(net.inputs)
            sizes.append(counts(profiler.result())[1])

    assert sizes == [1, 2, 3]


@pytest.mark.parametrize("passes", [(), ("energy",)])
def test_passes_that_a_loop_cannot_have_are_refused(passes: Sequence[str]) -> None:
    with pytest.raises(lp.InputError, match="a loop's steps go to bare, time, ops, flops, memory"):
        lp.Profiler(NestedNet(), passes=passes)


@pytest.mark.parametrize("net", [SharedNet, ThreadNet])
def test_odd_nets_close_their_books_in_a_loop_too(net: type[SharedNet | ThreadNet]) -> None:
    model = net()

    with lp.Profiler(model, passes=ALL, clock=model.clock) as profiler:
        for _ in range(6):
            with profiler.step():
                model(model.inputs)

    profile = profiler.result()
    assert [check for check in profile.checks if not check.ok] == []
    assert {row.path: row.flops for row in profile.layers} == {
        path: layer.flops for path, layer in model.answers.layers.items()
    }


def phases_of(net: NestedNet | OptimizerNet, body: Callable[[], object], passes: Sequence[str]) -> dict[str, int]:
    """Name to runs in a step."""
    with lp.Profiler(net, passes=passes, clock=net.clock) as profiler:
        for _ in range(4):
            with profiler.step():
                body()
    profile = profiler.result()
    assert [check for check in profile.checks if not check.ok] == []
    return {phase.name: phase.steps for phase in profile.phases}


@pytest.mark.parametrize("passes", [ALL, ("time",), ("flops",), ("memory",)])
def test_a_loop_in_train_mode_shows_the_phases_that_came_about(passes: Sequence[str]) -> None:
    net = OptimizerNet().train()

    assert phases_of(net, net.step, passes) == {"forward": 1, "backward": 1, "optimizer": 1}
    assert phases_of(net, lambda: net.loss().backward(), passes) == {"forward": 1, "backward": 1}
    assert phases_of(net, net.loss, passes) == {"forward": 1}


@pytest.mark.parametrize("passes", [ALL, ("ops", "time", "flops"), ("ops",), ("ops", "flops", "memory")])
def test_a_loop_that_trains_has_its_phases_in_whatever_mode_and_order_of_passes(passes: Sequence[str]) -> None:
    net = OptimizerNet().eval()

    assert phases_of(net, net.step, passes) == {"forward": 1, "backward": 1, "optimizer": 1}


def test_a_phase_that_comes_about_in_later_steps_only_is_shown_with_a_note() -> None:
    net = OptimizerNet().train()

    with lp.Profiler(net, passes=("time",), clock=net.clock) as profiler:
        for body in (net.loss, net.loss, net.step):
            with profiler.step():
                body()

    profile = profiler.result()
    assert [(phase.name, phase.steps) for phase in profile.phases] == [
        ("forward", 1),
        ("backward", 1),
        ("optimizer", 1),
    ]
    assert profile.phases[2].total_s == lp.Distribution(samples=(0.0, 0.0, 7 * TICK_S))
    assert "phases_vary" in {note.code for note in profile.notes}


def test_a_loop_that_generates_on_a_fresh_model_has_the_phases_of_a_generation() -> None:
    config = GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=16, bos_token_id=0, eos_token_id=0, pad_token_id=0)
    model = GPT2LMHeadModel(config)
    prompt = {"input_ids": torch.arange(1, 4)[None], "attention_mask": torch.ones(1, 3, dtype=torch.long)}

    with lp.Profiler(model, passes=("time", "flops")) as profiler:
        for _ in range(2):
            with profiler.step():
                model.generate(**prompt, max_new_tokens=3, min_new_tokens=3, do_sample=False)

    profile = profiler.result()
    alone = lp.profile(
        model,
        prompt,
        method="generate",
        method_kwargs={"max_new_tokens": 3, "min_new_tokens": 3, "do_sample": False},
        passes=("flops",),
    )
    assert [(phase.name, phase.steps) for phase in profile.phases] == [("prefill", 1), ("decode", 2)]
    assert [phase.flops for phase in profile.phases] == [phase.flops for phase in alone.phases]
    assert [check for check in profile.checks if not check.ok] == []


def test_a_loops_optimizer_is_its_own_phase_under_no_layer() -> None:
    net = OptimizerNet().train()

    with lp.Profiler(net, passes=("time",), clock=net.clock) as profiler, profiler.step():
        net.step()

    profile = profiler.result()
    assert profile.phases[-1].total_s == profile.phases[-1].unattributed_s == lp.Distribution(samples=(7 * TICK_S,))
    assert profile.step_s == lp.Distribution(samples=(net.answers.step_s + 7 * TICK_S,))


def test_a_step_that_raised_in_backward_leaves_no_hook_and_the_next_is_whole() -> None:
    net = OptimizerNet().train()

    with lp.Profiler(net, passes=("time",), clock=net.clock) as profiler:
        with pytest.raises(LayerFailedError), profiler.step():
            failing = net.loss()
            failing.register_hook(_fail)
            failing.backward()
        with profiler.step():
            net.step()

    assert not optimizer._global_optimizer_pre_hooks
    assert profiler.result().step_s == lp.Distribution(samples=(net.answers.step_s + 7 * TICK_S,))


def _fail(gradient: torch.Tensor) -> None:
    raise LayerFailedError
