"""What goes wrong: bad arguments are refused before anything runs, and what was measured outlives an error."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

import layerprof as lp
from layerprof.testing import ROWS, WIDTH, KnownNet, LayerFailedError, NestedNet

PASSES = ("time", "flops", "memory")
REPEATS = 2
TIMED_STEPS = 1 + 2 * REPEATS  # with warmup=0: every bare step has a hooked one beside it, and none comes before
X = torch.ones(ROWS, WIDTH)


class Failing(NestedNet):
    """A net whose head raises from one of its steps on."""

    def __init__(self, error: BaseException, *, at_step: int) -> None:
        super().__init__()
        self.steps = 0
        self._error, self._at_step = error, at_step
        self.head.register_forward_pre_hook(self._fail)

    def _fail(self, module: nn.Module, args: tuple[object, ...]) -> None:
        self.steps += 1
        if self.steps > self._at_step:
            raise self._error


def failure_of(net: KnownNet, *, repeats: int = REPEATS) -> lp.MeasurementError:
    with pytest.raises(lp.MeasurementError) as caught:
        lp.profile(net, net.inputs, clock=net.clock, passes=PASSES, warmup=0, repeats=repeats)
    return caught.value


def partial_of(failure: lp.MeasurementError) -> lp.Profile:
    assert failure.partial is not None
    return failure.partial


def test_the_models_exception_is_the_cause() -> None:
    error = LayerFailedError("no weights\nsecond line")

    failure = failure_of(Failing(error, at_step=0))

    assert failure.__cause__ is error


def test_the_message_is_one_line_with_the_remedy() -> None:
    failure = failure_of(Failing(LayerFailedError("no weights\nsecond line"), at_step=0))

    assert str(failure) == (
        "Failing raised LayerFailedError in the time pass: no weights; "
        "run the step without layerprof to see whether model and inputs fit"
    )


def test_an_exception_without_a_text_has_one_line_too() -> None:
    failure = failure_of(Failing(LayerFailedError(), at_step=0))

    assert "\n" not in str(failure)


def test_inputs_that_do_not_fit_are_a_measurement_error() -> None:
    with pytest.raises(lp.MeasurementError, match="TypeError in the time pass"):
        lp.profile(NestedNet(), {"pixels": X}, passes=PASSES)


def test_bare_and_time_are_kept_when_the_flops_pass_fails() -> None:
    net = Failing(LayerFailedError(), at_step=TIMED_STEPS - 1)

    partial = partial_of(failure_of(net))

    assert partial.latency_s == partial.step_s == lp.Distribution(samples=(net.answers.step_s,) * REPEATS)
    assert partial["head"].calls == 1
    assert partial["head"].flops is None


def test_flops_are_kept_when_the_memory_pass_fails() -> None:
    net = Failing(LayerFailedError(), at_step=TIMED_STEPS)

    partial = partial_of(failure_of(net))

    assert partial.root.flops == net.answers.step_flops
    assert partial.memory is None


def test_steps_before_a_failing_one_are_kept() -> None:
    partial = partial_of(failure_of(Failing(LayerFailedError(), at_step=3)))

    assert partial.latency_s is not None
    assert partial.step_s is not None
    assert (partial.latency_s.n, partial.step_s.n) == (1, 2)


def test_what_was_not_reached_is_noted() -> None:
    partial = partial_of(failure_of(Failing(LayerFailedError(), at_step=TIMED_STEPS)))

    unfinished = {note.quantity for note in partial.notes if note.code == "pass_not_finished"}
    assert unfinished == {
        "output_bytes",
        "allocated_bytes",
        "peak_bytes",
        "at_peak_bytes",
        "self_at_peak_bytes",
        "memory",
    }
    assert {getattr(layer, name) for layer in partial.layers for name in unfinished - {"memory"}} == {None}


def test_what_was_not_asked_for_is_told_from_what_was_not_reached() -> None:
    net = Failing(LayerFailedError(), at_step=2)

    with pytest.raises(lp.MeasurementError) as caught:
        lp.profile(net, net.inputs, clock=net.clock, passes=("flops",), warmup=0, repeats=REPEATS)

    codes = {note.quantity: note.code for note in partial_of(caught.value).notes}
    assert codes["flops"] == "pass_not_finished"
    assert codes["total_s"] == codes["peak_bytes"] == "pass_not_asked"


@pytest.mark.parametrize("at_step", range(TIMED_STEPS + 1))
def test_every_check_holds_of_a_partial_profile(at_step: int) -> None:
    partial = partial_of(failure_of(Failing(LayerFailedError(), at_step=at_step)))

    assert [check for check in partial.checks if not check.ok] == []


@pytest.mark.parametrize("at_step", range(TIMED_STEPS + 1))
def test_an_interrupt_is_a_keyboard_interrupt_with_what_was_measured(at_step: int) -> None:
    net = Failing(KeyboardInterrupt(), at_step=at_step)

    with pytest.raises(KeyboardInterrupt) as caught:
        lp.profile(net, net.inputs, clock=net.clock, passes=PASSES, warmup=0, repeats=REPEATS)

    assert isinstance(caught.value, lp.MeasurementInterruptedError)
    assert [check for check in partial_of(caught.value).checks if not check.ok] == []


def test_an_interrupt_in_a_callers_own_block_keeps_the_finished_steps() -> None:
    net = Failing(KeyboardInterrupt(), at_step=TIMED_STEPS - 1)

    failure = failure_of(net)

    assert partial_of(failure).step_s == lp.Distribution(samples=(net.answers.step_s,) * REPEATS)


Door = Callable[[nn.Module], object]
BAD_ARGUMENTS: dict[str, tuple[Door, str]] = {
    "nothing": (lambda net: lp.profile(net), "nothing to run"),
    "both": (lambda net: lp.profile(net, X, call=lambda: net(X)), "call= is the whole step"),
    "call and method": (lambda net: lp.profile(net, call=lambda: net(X), method="generate"), "call= is the whole step"),
    "method": (lambda net: lp.profile(net, X, method="generate"), "has no method 'generate'"),
    "passes": (lambda net: lp.profile(net, X, passes=("times",)), "passes is a tuple of names out of bare, time"),
    "a pass": (lambda net: lp.profile(net, X, passes="time"), "passes is a tuple of names"),
    "repeats": (lambda net: lp.profile(net, X, repeats=0), "repeats is a whole number from 1 up"),
    "true": (lambda net: lp.profile(net, X, repeats=True), "repeats is a whole number"),
    "warmup": (lambda net: lp.profile(net, X, warmup=-1), "warmup is a whole number from 0 up"),
    "stages": (lambda net: lp.profile(net, X, stages={"all": "block.*"}), "stages must map names to lists of globs"),
    "count nothing": (lambda net: lp.count_flops(net), "nothing to run"),
    "count both": (lambda net: lp.count_flops(net, X, call=lambda: net(X)), "call= is the whole step"),
    "count method": (lambda net: lp.count_flops(net, X, method="generate"), "has no method 'generate'"),
}


@pytest.mark.parametrize("name", BAD_ARGUMENTS)
def test_a_bad_argument_is_refused_before_anything_runs(name: str) -> None:
    door, message = BAD_ARGUMENTS[name]
    net = NestedNet()

    with pytest.raises(lp.InputError, match=message) as caught:
        door(net)

    assert "\n" not in str(caught.value)
    assert net.clock.now_ns() == 0


@pytest.mark.parametrize("model", ["blip2-tiny", None, nn.Linear])
def test_what_is_no_module_is_refused(model: object) -> None:
    with pytest.raises(lp.InputError, match=r"a torch\.nn\.Module is profiled; found"):
        lp.profile(model, X)  # type: ignore[arg-type]  # what a caller may do


def test_a_call_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(lp.InputError, match="call= takes a zero-argument callable; found Tensor"):
        lp.profile(NestedNet(), call=X)  # type: ignore[arg-type]  # what a caller may do


def test_progress_is_shown_on_standard_error_alone(capfd: pytest.CaptureFixture[str]) -> None:
    net = NestedNet()

    lp.profile(net, net.inputs, clock=net.clock, passes=PASSES, warmup=0, repeats=1, progress=True)

    assert capfd.readouterr().out == ""


def test_without_progress_nothing_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    net = NestedNet()

    lp.profile(net, net.inputs, clock=net.clock, passes=PASSES, warmup=0, repeats=1)

    assert capfd.readouterr() == ("", "")


def test_a_device_out_of_memory_says_so_and_what_to_do() -> None:
    net = NestedNet()
    steps: list[int] = []

    def step() -> None:
        steps.append(1)
        if len(steps) > 2:  # a bare step and a timed one
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nmore of it")
        net(net.inputs)

    with pytest.raises(lp.MeasurementError, match="ran out of memory in the flops pass: CUDA out of memory") as caught:
        lp.profile(net, call=step, passes=("time", "flops"), warmup=0, repeats=1, clock=net.clock)

    partial = caught.value.partial
    assert partial is not None
    assert partial.root.total_s is not None
    assert partial.root.flops is None
