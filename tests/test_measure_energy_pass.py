"""The energy pass as a whole: what it leaves, what it refuses, and what becomes of a counter that fails on the way."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from energy_profiles import Bench, bench, profiled
from torch import nn

import layerprof as lp
from layerprof.energy import SourceError, Sources
from layerprof.testing.energy import CounterModel, PoweredLayer, SimulatedCounter, SimulatedDevice


def codes(profile: lp.Profile, quantity: str = "energy") -> set[str]:
    return {note.code for note in profile.notes if note.quantity == quantity}


class Failing:
    """A source that stops to answer after so many readings."""

    def __init__(self, one: Bench, after: int) -> None:
        self._source, self._left, self.reads = one.sensors.energy, after, 0
        self.facts = replace(self._source.facts, identity=f"failing {id(one)}")
        self.closed = 0
        self.is_interrupted = False

    def read_j(self) -> float:
        self.reads += 1
        if self.reads > self._left and self.is_interrupted:
            raise KeyboardInterrupt
        if self.reads > self._left:
            raise SourceError("unsupported_device", "the GPU is lost; start the driver again")
        return self._source.read_j()

    def state(self) -> object:
        return self._source.state()

    def close(self) -> None:
        self.closed += 1


@dataclass(frozen=True, slots=True)
class Whole:
    """A pass on the bench that nothing disturbed, and how often its counter was read."""

    profile: lp.Profile
    reads: int


@pytest.fixture(scope="module")
def whole() -> Whole:
    one = bench()
    source = Failing(one, after=10**9)
    return Whole(profiled(one, energy=source), source.reads)


def test_joules_are_none_with_one_note_where_the_machine_has_no_counter() -> None:
    profile = lp.profile(nn.Linear(4, 4), torch.ones(1, 4), passes=("time", "energy"), warmup=0, repeats=1)

    if profile.energy is not None:
        pytest.skip("this machine has a counter")
    assert profile.root.energy is None
    assert len([note for note in profile.notes if note.quantity == "energy" and note.scope == "*"]) == 1
    assert codes(profile) <= {"virtual_machine", "no_powercap", "masked_in_container", "permission", "not_linux"}


def test_the_pass_that_was_not_asked_for_says_so() -> None:
    assert codes(profiled(bench(), passes=("time",))) == {"pass_not_asked"}


def test_energy_none_leaves_the_pass_out() -> None:
    one = bench()

    profile = lp.profile(one.net, one.net.inputs, passes=("energy",), warmup=0, repeats=1, energy=None)

    assert profile.energy is None
    assert codes(profile) == {"pass_not_asked"}


@pytest.mark.parametrize("energy", ["guess", 65, object(), "estimated:3"])
def test_what_is_no_source_is_refused_before_anything_runs(energy: object) -> None:
    one = bench()

    with pytest.raises(lp.InputError, match="energy is 'auto', 'estimate:WATTS'"):
        profiled(one, energy=energy)
    assert one.device.now_ns() == 0


def test_options_of_another_kind_are_refused() -> None:
    with pytest.raises(lp.InputError, match=r"energy_options is a layerprof\.EnergyOptions"):
        lp.profile(nn.Linear(1, 1), torch.ones(1, 1), energy_options={"windows": 3})  # type: ignore[arg-type]


def test_an_estimate_is_called_one_wherever_it_is_shown() -> None:
    one = bench()

    profile = profiled(one, energy="estimate:50")

    assert profile.energy is not None
    kinds = {layer.energy.kind for layer in profile.layers if layer.energy is not None}
    assert kinds == {"estimated"}
    assert profile.energy.step.total_j == pytest.approx(50.0 * profile.energy.step_s, rel=1e-3)
    assert "estimated" in codes(profile)


@pytest.mark.parametrize("spec", ["estimate:", "estimate:abc", "estimate:-3", "estimate:nan", "estimate"])
def test_an_estimate_of_nothing_is_bad_input_before_anything_runs(spec: str) -> None:
    one = bench()

    with pytest.raises(lp.InputError, match="estimate:"):
        profiled(one, energy=spec)
    assert one.device.now_ns() == 0


def test_only_the_step_is_measured_where_no_layers_are_asked_for() -> None:
    one = bench()

    profile = profiled(one, layers="none")

    assert profile.energy is not None
    assert profile.energy.units == ()
    assert profile.energy.closure is None
    assert profile.energy.step.kind == "measured"
    assert profile["vision.0"].energy is not None
    assert profile["vision.0"].energy.kind == "time_share"


def test_top_k_replays_the_layers_with_the_most_time_alone() -> None:
    profile = profiled(bench(), layers="leaves", top_k=1)

    assert profile.energy is not None
    assert [unit.name for unit in profile.energy.units] == ["language.0.first"]


def test_layers_are_left_out_where_the_time_is_short_and_a_note_says_so(whole: Whole) -> None:
    profile = profiled(bench(), max_s=95.0)

    assert whole.profile.energy is not None
    assert profile.energy is not None
    assert 0 < len(profile.energy.units) < len(whole.profile.energy.units)
    assert profile.energy.duration_s < whole.profile.energy.duration_s
    assert "energy_time" in codes(profile)


def test_members_of_a_class_are_sampled_first_middle_and_last(whole: Whole) -> None:
    assert whole.profile.energy is not None
    units = {unit.name: unit for unit in whole.profile.energy.units}
    assert units["vision.0"].sampled == ("vision.0", "vision.2", "vision.4")
    assert units["vision.0"].windows == 5 + 2 * 3
    assert units["head.0"].windows == 5


def failing(*, after: int, is_interrupted: bool = False) -> tuple[Bench, Failing]:
    """A bench and a source of it that fails when so many readings were made."""
    one = bench()
    source = Failing(one, after=after)
    source.is_interrupted = is_interrupted
    return one, source


def test_a_gpu_that_is_lost_at_once_leaves_the_other_passes_whole() -> None:
    one, source = failing(after=0)

    profile = profiled(one, energy=source)

    assert profile.energy is None
    assert profile.root.total_s is not None
    assert codes(profile) == {"unsupported_device"}
    assert "the GPU is lost" in next(note.text for note in profile.notes if note.quantity == "energy")
    assert not source.closed  # it is the caller's


def test_a_gpu_that_is_lost_late_leaves_the_windows_until_then(whole: Whole) -> None:
    one, source = failing(after=int(0.97 * whole.reads))

    profile = profiled(one, energy=source)

    assert profile.energy is not None
    assert profile.energy.step.total_j == pytest.approx(one.net.step_joules(), rel=0.05)
    assert "pass_not_finished" in profile.energy.step.flags
    assert "unsupported_device" in codes(profile)


def test_ctrl_c_leaves_the_windows_until_then(whole: Whole) -> None:
    one, source = failing(after=int(0.97 * whole.reads), is_interrupted=True)

    with pytest.raises(lp.MeasurementInterruptedError, match="energy pass") as caught:
        profiled(one, energy=source)

    partial = caught.value.partial
    assert partial is not None
    assert partial.energy is not None
    assert "pass_not_finished" in codes(partial)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in one.net.modules())


def test_ctrl_c_before_a_step_was_measured_says_so() -> None:
    one, source = failing(after=0, is_interrupted=True)

    with pytest.raises(lp.MeasurementInterruptedError) as caught:
        profiled(one, energy=source)

    assert caught.value.partial is not None
    assert codes(caught.value.partial) == {"pass_not_finished"}


class Heavy:
    """An input that takes a while to copy, as a KV cache does; ``copying`` is a function, which no copy follows."""

    def __init__(self, copying: Callable[[], None]) -> None:
        self.copying, self.held = copying, torch.ones(1)

    def __deepcopy__(self, memo: object) -> Heavy:
        self.copying()
        return Heavy(self.copying)


class Given(nn.Module):
    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__()
        self.layer = PoweredLayer(device, power_w=200.0, seconds=0.010)

    def forward(self, hidden: torch.Tensor, heavy: Heavy) -> torch.Tensor:
        result: torch.Tensor = self.layer(hidden)
        return result


def test_the_copies_of_inputs_before_each_step_are_no_part_of_its_joules() -> None:
    one = bench(noise=0.2)

    profile = lp.profile(
        Given(one.device),
        (torch.ones(1, 1), Heavy(lambda: one.device.run(power_w=100.0, seconds=0.020))),
        passes=("time", "energy"),
        warmup=0,
        repeats=6,
        energy=one.sources,
        clock=one.device,
    )

    assert profile.energy is not None
    assert profile.energy.step.total_j == pytest.approx(2.0, rel=0.05)
    assert profile.energy.step_s == pytest.approx(0.010, rel=0.02)
    assert "copies_subtracted" in profile.energy.step.flags


def test_a_model_on_several_devices_has_no_joules_and_the_reason() -> None:
    one = bench()
    one.net.register_buffer("elsewhere", torch.empty(1, device="meta"))

    profile = profiled(one)

    assert profile.energy is None
    assert codes(profile) == {"unsupported_device"}
    assert "several devices (cpu, meta)" in next(note.text for note in profile.notes if note.quantity == "energy")


class Tiring(nn.Module):
    """A layer that raises once it was called alone so often."""

    def __init__(self, device: SimulatedDevice, calls: int) -> None:
        super().__init__()
        self.layer = PoweredLayer(device, power_w=150.0, seconds=0.010, width=3)
        self.alone, self.most = itertools.count(), calls  # an iterator, which no replay puts back
        self.is_inside = False

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        if not self.is_inside and next(self.alone) > self.most:
            raise RuntimeError("out of breath")
        result: torch.Tensor = self.layer(hidden)
        return result


class Around(nn.Module):
    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__()
        self.steady = PoweredLayer(device, power_w=200.0, seconds=0.012, width=5)
        self.tiring = Tiring(device, 150)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        self.tiring.is_inside = True
        result: torch.Tensor = self.tiring(self.steady(hidden))
        self.tiring.is_inside = False
        return result


def test_a_layer_whose_replay_raises_late_ends_alone() -> None:
    one = bench()

    profile = profiled(one, model=Around(one.device), layers=("steady", "tiring"))

    assert profile.energy is not None
    assert profile["steady"].energy is not None
    assert profile["steady"].energy.kind == "replayed"
    assert [unit.name for unit in profile.energy.units] == ["steady"]
    reasons = [note.text for note in profile.notes if note.code == "not_replayed"]
    assert any("out of breath" in text for text in reasons)


class Bypassed(nn.Module):
    """A container that nobody calls: its layers are called one by one."""

    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__()
        kinds = ((200.0, 2), (150.0, 3))
        layers = [PoweredLayer(device, power_w=watts, seconds=0.012, width=width) for watts, width in kinds]
        self.inner = nn.Sequential(*layers)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        for layer in self.inner:
            hidden = layer(hidden)
        return hidden


def test_of_a_container_that_is_never_called_the_layers_are_measured() -> None:
    one = bench()

    profile = profiled(one, model=Bypassed(one.device), layers=("inner", "inner.*"))

    assert profile.energy is not None
    assert {unit.name for unit in profile.energy.units} == {"inner.0", "inner.1"}


def test_a_glob_that_matches_no_layer_is_refused_before_anything_runs() -> None:
    one = bench()

    with pytest.raises(lp.InputError, match=r"'visoin\.\*', which is the path of none; the nearest are 'vision"):
        profiled(one, layers=("visoin.*",))
    assert one.device.now_ns() == 0


def test_flags_of_a_layer_are_those_of_its_unit() -> None:
    one = bench()

    profile = profiled(one, model=Uneven(one.device))

    assert profile.energy is not None
    unit = next(unit for unit in profile.energy.units if unit.name == "layer")
    energy = profile["layer"].energy
    assert energy is not None
    assert "varying_inputs" in unit.flags
    assert set(unit.flags) <= set(energy.flags)


class Uneven(nn.Module):
    """A layer that is called with a long and a short input."""

    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__()
        self.layer = Stretching(device)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        self.layer(hidden.repeat(8, 1))
        result: torch.Tensor = self.layer(hidden)
        return result


class Stretching(nn.Module):
    """A layer that takes 2 ms at 200 W for each row."""

    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__()
        self.device, self.weight = device, nn.Parameter(torch.ones(3))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        self.device.run(power_w=200.0, seconds=0.002 * len(hidden))
        return hidden * self.weight[0]


def test_a_counter_that_is_reset_between_windows_is_told() -> None:
    one = bench("reset", seed=3)

    profile = profiled(one, energy=one.sources, layers="none")

    assert codes(profile) & {"counter_reset"} or (profile.energy and profile.energy.counter.source == "simulated_power")


def test_the_model_is_as_it_was() -> None:
    one = bench()
    before = copy.deepcopy(one.net.state_dict())
    torch.manual_seed(7)
    state = torch.get_rng_state()

    profiled(one, top_k=1)

    assert all(torch.equal(value, before[name]) for name, value in one.net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in one.net.modules())
    assert one.net.training


class Drawing(nn.Module):
    """A layer that cannot be replayed: its output is another one each time."""

    def __init__(self, device: SimulatedDevice, *, power_w: float, seconds: float) -> None:
        super().__init__()
        self.inner = PoweredLayer(device, power_w=power_w, seconds=seconds, width=11)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.inner(hidden) + 0.0 * torch.rand(1) + torch.rand(1)
        return result


class Half(nn.Module):
    """A layer that can be replayed, beside one that cannot, in a module whose output does not tell."""

    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__()
        self.steady = PoweredLayer(device, power_w=150.0, seconds=0.010, width=3)
        self.drawing = Drawing(device, power_w=210.0, seconds=0.015)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        self.drawing(hidden)
        result: torch.Tensor = self.steady(hidden)
        return result


class Mixed(nn.Module):
    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__()
        self.pair = Half(device)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.pair(hidden)
        return result


def test_a_layer_that_cannot_be_replayed_gets_its_power_from_the_module_around_it() -> None:
    one = bench(noise=0.2)

    profile = profiled(one, model=Mixed(one.device), layers=("pair.*",))

    energy = profile["pair.drawing"].energy
    assert energy is not None
    assert energy.kind == "regressed"
    assert energy.total_j == pytest.approx(210.0 * 0.015, rel=0.03)
    assert "not_replayed" in {note.code for note in profile.notes if note.scope == "pair.drawing"}


def test_training_has_shares_by_time_and_no_replays() -> None:
    one = bench()
    net, inputs = one.net, one.net.inputs

    profile = lp.profile(
        net,
        call=lambda: net(inputs).sum().backward(),
        train=True,
        passes=("time", "energy"),
        warmup=1,
        repeats=8,
        energy=one.sources,
        clock=one.device,
    )

    assert profile.energy is not None
    assert profile.energy.units == ()
    assert profile["vision.0"].energy is not None
    assert profile["vision.0"].energy.kind == "time_share"


def test_steps_that_keep_step_with_a_counter_that_looks_now_and_then_are_told() -> None:
    """Ten steps of 100 ms: 25 ms of work that the counter sees, or never sees."""
    device = SimulatedDevice(idle_w=30.0)
    net = nn.Sequential(PoweredLayer(device, power_w=240.0, seconds=0.025), Sleeping(device, 0.075))
    one = bench("hopper", noise=0.0)
    model = CounterModel(tick_s=0.1, duty_s=0.025)
    counter = SimulatedCounter(device, model, replace(one.sensors.energy.facts, identity="locked"), seed=2)

    profile = lp.profile(
        net,
        torch.ones(1, 1),
        passes=("energy",),
        warmup=0,
        repeats=1,
        energy=Sources(energy=(counter,)),
        energy_options=lp.EnergyOptions(layers="none"),
        clock=device,
    )

    assert "phase_locked" in {note.code for note in profile.notes} or profile.energy is None


class Sleeping(nn.Module):
    def __init__(self, device: SimulatedDevice, seconds: float) -> None:
        super().__init__()
        self.device, self.seconds = device, seconds

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        self.device.sleep_s(self.seconds)
        return hidden


def test_samples_and_carbon_are_of_the_callers_own_numbers() -> None:
    profile = profiled(bench(), layers="none", samples=4, carbon_g_per_kwh=360.0)

    assert profile.energy is not None
    joules = profile.energy.step.total_j
    assert profile.energy.per_sample_j == joules / 4
    assert profile.energy.carbon_g == pytest.approx(joules / 1e4)  # 360 g for 3.6 MJ


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"windows": 2}, "windows is a whole number from 3 up"),
        ({"member_windows": 1}, "member_windows is a whole number from 2 up"),
        ({"top_k": 0}, "top_k is a whole number from 1 up"),
        ({"samples": True}, "samples is a whole number"),
        ({"target_rel": 0.0}, "target_rel is a number above 0"),
        ({"max_s": float("inf")}, "max_s is a number above 0"),
        ({"least_share": 1.0}, "least_share is from 0 to below 1"),
        ({"layers": "some"}, "layers is blocks, leaves, none"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        lp.EnergyOptions(**options)  # type: ignore[arg-type]


def test_a_source_of_the_callers_serves_two_profiles() -> None:
    one = bench()
    source = Failing(one, after=10**9)

    first, second = profiled(one, energy=source, layers="none"), profiled(one, energy=source, layers="none")

    assert first.energy is not None
    assert second.energy is not None
    assert source.closed == 0
