"""The roofline of a profile, with ceilings that are chosen."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import torch
from torch import nn

import layerprof as lp
from layerprof.attribute import outruns_products
from layerprof.records import (
    Ceilings,
    FrozenMapping,
    Note,
)
from layerprof.testing import TICK_S, FakeClock, GeneratingNet, NestedNet, OptimizerNet

RATE = 1e12  # FLOP/s


def ceilings(rate: float, bandwidth: float, *, dtype: str = "float32", launch_s: float | None = None) -> Ceilings:
    rates = FrozenMapping({dtype: rate})
    return Ceilings(
        kind="measured",
        device="cpu",
        source="chosen",
        matrix_flops_per_s=rates,
        copy_bytes_per_s=bandwidth,
        launch_s=launch_s,
    )


def profiled(roof: Ceilings | None, *passes: str) -> lp.Profile:
    net = NestedNet()
    return lp.profile(net, net.inputs, clock=net.clock, passes=passes, warmup=0, repeats=2, ceilings=roof)


def notes_of(profile: lp.Profile, quantity: str) -> list[Note]:
    return [note for note in profile.notes if note.quantity == quantity]


def test_a_profile_is_held_against_the_ceilings_that_it_is_given() -> None:
    roof = ceilings(RATE, 1e15)

    profile = profiled(roof, "time", "flops")

    for layer in profile.layers:
        assert layer.flops and layer.bytes_moved and layer.total_s
        assert layer.flops_per_s == layer.flops / layer.total_s.median
        assert layer.efficiency == pytest.approx(layer.flops / RATE / layer.total_s.median)
        assert layer.bound == "compute"
    assert profile.ceilings == roof
    assert all(stage.efficiency is not None for stage in profile.stages if stage.flops)
    assert profile.phases[0].efficiency == pytest.approx(profile.root.efficiency)


TWO_LAYERS = nn.Sequential(nn.Linear(64, 64, bias=False), nn.ReLU())
OPS = {"products": (2 * 8 * 64 * 64, 4 * (8 * 64 + 64 * 64 + 8 * 64)), "relu": (0, 4 * 2 * 8 * 64)}  # FLOPs, bytes


@pytest.mark.parametrize("bandwidth", [1e7, 1e9, 1e15])
def test_least_times_are_of_each_op_and_add_up(bandwidth: float) -> None:
    rate = 1e9
    least = {name: max(flops / rate, moved / bandwidth) for name, (flops, moved) in OPS.items()}

    profile = lp.profile(
        TWO_LAYERS,
        torch.ones(8, 64),
        passes=("time", "flops"),
        warmup=0,
        repeats=2,
        ceilings=ceilings(rate, bandwidth),
    )

    assert profile["0"].least_s == pytest.approx(least["products"])
    assert profile["1"].least_s == pytest.approx(least["relu"], abs=1e-12)
    assert profile.root.least_s == pytest.approx(sum(least.values()))
    assert profile.phases[0].least_s == profile.root.least_s
    assert sum(stage.least_s or 0.0 for stage in profile.stages) == pytest.approx(sum(least.values()))


def test_products_in_two_formats_are_each_held_against_their_own_ceiling() -> None:
    model = nn.Sequential(nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False).double())
    model[1].register_forward_pre_hook(lambda module, args: (args[0].double(),))
    rates = FrozenMapping({"float32": 1e9, "float64": 1e8})
    roof = replace(ceilings(1.0, 1e15), matrix_flops_per_s=rates)

    profile = lp.profile(model, torch.ones(8, 64), passes=("time", "flops"), warmup=0, repeats=2, ceilings=roof)

    assert profile["0"].least_s == pytest.approx(2 * 8 * 64 * 64 / 1e9)
    assert profile["1"].least_s == pytest.approx(2 * 8 * 64 * 64 / 1e8)
    assert dict(profile.root.flops_by_dtype or {}) == dict.fromkeys(("float32", "float64"), 2 * 8 * 64 * 64)


def flagged(profile: lp.Profile) -> dict[str, str]:
    """Scope -> text of the notes on what came out above."""
    notes = notes_of(profile, "efficiency")
    return {note.scope: note.text for note in notes if note.code == "above_ceiling"}


def test_what_came_out_above_is_told_of_layers_their_phases_stages_and_phases() -> None:
    profile = profiled(ceilings(1.0, 1e15), "time", "flops")

    paths = [layer.path for layer in profile.layers]
    stages = [f"stage {stage.name}" for stage in profile.stages if stage.flops]
    assert set(flagged(profile)) == {*paths, *(f"{path} in forward" for path in paths), *stages, "phase forward"}
    assert "faster than the best matrix product" in flagged(profile)[""]
    assert all(layer.efficiency is None and layer.bound == "unknown" for layer in profile.layers)
    assert all(check.ok for check in profile.checks)


def test_data_that_stay_in_a_cache_are_told_apart_from_wrong_flops() -> None:
    assert "stay in a cache" in flagged(profiled(ceilings(1e15, 1.0), "time", "flops"))[""]


class Lasting(nn.Module):
    """An elementwise layer that takes so many ticks."""

    def __init__(self, clock: FakeClock, ticks: int) -> None:
        super().__init__()
        self.clock, self.ticks = clock, ticks

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.clock.advance_s(self.ticks * TICK_S)
        return x.add(1.0)


def test_a_caller_of_layers_above_their_ceilings_has_no_verdict_either() -> None:
    class Mixed(nn.Module):
        """A layer that is far below its ceiling, and one that is above it."""

        def __init__(self) -> None:
            super().__init__()
            self.clock = FakeClock()
            self.slow, self.fast = Lasting(self.clock, 10), Lasting(self.clock, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.fast(self.slow(x))
            return result

    net, x = Mixed(), torch.ones(64)
    moved_bytes = 2 * 64 * 4  # of each
    roof = ceilings(1e15, moved_bytes / (4 * TICK_S))  # 4 ticks at least, for each

    profile = lp.profile(net, x, clock=net.clock, passes=("time", "flops"), warmup=0, repeats=2, ceilings=roof)

    assert profile["slow"].efficiency == pytest.approx(4 / 10)
    assert profile["fast"].efficiency is None
    assert profile.root.least_s == pytest.approx(8 * TICK_S)
    assert (profile.root.efficiency, profile.root.bound) == (None, "unknown")
    assert flagged(profile)[""] == "50 % of its least time is of layers that came out above their ceilings"
    assert "slow" not in flagged(profile)


@pytest.mark.parametrize(
    ("roof", "passes", "quantity", "code"),
    [
        (ceilings(RATE, 1e15), ("flops",), "efficiency", "no_time"),
        (ceilings(RATE, 1e15), ("flops",), "flops_per_s", "no_time"),
        (ceilings(RATE, 1e15), ("time",), "intensity", "pass_not_asked"),
        (ceilings(RATE, 1e15), ("time",), "bytes_moved", "pass_not_asked"),
        (ceilings(RATE, 1e15, dtype="float64"), ("time", "flops"), "efficiency", "no_ceiling"),
        (None, ("time", "flops"), "efficiency", "ceilings_not_asked"),
        (None, ("time", "flops"), "bound", "ceilings_not_asked"),
        (None, ("time", "flops"), "least_s", "ceilings_not_asked"),
    ],
)
def test_what_is_missing_says_why(roof: Ceilings | None, passes: tuple[str, ...], quantity: str, code: str) -> None:
    profile = profiled(roof, *passes)

    assert [note.code for note in notes_of(profile, quantity) if note.scope == "*"] == [code]
    assert [check for check in profile.checks if not check.ok] == []


def test_bytes_close_over_layers_phases_and_stages() -> None:
    net = GeneratingNet()

    profile = lp.profile(net, net.inputs, method="generate", passes=("flops",), warmup=0, repeats=1, ceilings=None)

    whole = sum(phase.bytes_moved or 0 for phase in profile.phases)
    own = sum(layer.self_bytes_moved or 0 for layer in profile.layers)
    assert whole == own + (profile.unattributed_bytes_moved or 0) > 0
    assert sum(stage.bytes_moved or 0 for stage in profile.stages) == own
    for layer in profile.layers:
        assert layer.bytes_moved == sum(phase.bytes_moved or 0 for phase in layer.by_phase.values())


def test_backward_work_has_bytes_of_its_own() -> None:
    net = OptimizerNet()

    profile = lp.profile(net, call=net.step, train=True, passes=("flops",), warmup=0, repeats=1, ceilings=None)

    by_phase = {phase.name: phase.bytes_moved or 0 for phase in profile.phases}
    assert min(by_phase["forward"], by_phase["backward"]) > 0
    assert [check for check in profile.checks if not check.ok] == []


def test_ceilings_of_another_kind_are_refused() -> None:
    with pytest.raises(lp.InputError, match=r"ceilings is a layerprof\.Ceilings, 'auto' or None; found 7"):
        profiled(7, "flops")  # type: ignore[arg-type]  # that is the mistake


def test_a_loop_has_a_roofline_too() -> None:
    net = NestedNet()
    roof = ceilings(RATE, 1e15)

    with lp.Profiler(net, passes=("time", "flops"), clock=net.clock, ceilings=roof) as profiler:
        for _ in range(3):
            with profiler.step():
                net(*net.inputs) if isinstance(net.inputs, tuple) else net(net.inputs)

    assert profiler.result().root.bound == "compute"
    assert profiler.result().ceilings == roof


@pytest.mark.parametrize(("times", "is_seen"), [(0.5, False), (2.0, True), (20.0, False)])
def test_a_layer_that_outruns_the_rate_of_products_is_seen_unless_that_is_beyond_belief(
    times: float, is_seen: bool
) -> None:
    fastest = max(layer.flops_per_s or 0.0 for layer in profiled(ceilings(1e15, 1e15), "time", "flops").layers)

    assert outruns_products(profiled(ceilings(fastest / times, 1e15), "time", "flops")) == is_seen


def test_data_in_a_cache_outrun_no_products() -> None:
    assert not outruns_products(profiled(ceilings(1e15, 1.0), "time", "flops"))
    assert not outruns_products(profiled(None, "time", "flops"))


def test_without_the_ceiling_of_a_format_there_is_no_least_time() -> None:
    profile = profiled(ceilings(RATE, 1e15, dtype="float64"), "time", "flops")

    assert {(layer.least_s, layer.efficiency, layer.bound) for layer in profile.layers} == {(None, None, "unknown")}
    assert profile.phases[0].efficiency is None


def test_work_under_no_layer_is_in_the_phase_and_in_no_layer() -> None:
    net = nn.Linear(64, 64, bias=False)
    x = torch.ones(8, 64)
    roof = ceilings(1e9, 1e15)

    profile = lp.profile(
        net, call=lambda: net(x) @ torch.ones(64, 64), passes=("time", "flops"), warmup=0, repeats=2, ceilings=roof
    )

    product_s = 2 * 8 * 64 * 64 / 1e9
    assert profile.root.least_s == pytest.approx(product_s)
    assert profile.phases[0].least_s == pytest.approx(2 * product_s)


def test_formats_without_flops_are_not_listed() -> None:
    profile = lp.profile(TWO_LAYERS, torch.ones(8, 64), passes=("flops",), warmup=0, repeats=1)

    assert profile["1"].flops_by_dtype == FrozenMapping({})
    assert set(profile["0"].flops_by_dtype or ()) == {"float32"}


def test_steps_of_other_shapes_have_no_rates_and_a_note() -> None:
    net = nn.Linear(64, 64)

    with lp.Profiler(net, passes=("time", "flops"), ceilings=ceilings(RATE, 1e15)) as profiler:
        for rows in (8, 8, 2, 8):
            with profiler.step():
                net(torch.ones(rows, 64))
    profile = profiler.result()

    assert (profile.root.flops_per_s, profile.root.efficiency) == (None, None)
    assert {note.code for note in notes_of(profile, "efficiency")} == {"unlike_steps"}
    assert [check for check in profile.checks if not check.ok] == []


def test_around_compiled_code_there_are_rates_of_flops_alone() -> None:
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
    model.compile(backend="eager")

    profile = lp.profile(
        model, torch.ones(8, 64), passes=("time", "flops"), warmup=1, repeats=2, ceilings=ceilings(1e15, 1e15)
    )

    root = profile.root
    assert root.flops_per_s is not None
    assert (root.bytes_per_s, root.least_s, root.efficiency, root.bound) == (None, None, None, "unknown")
    assert {note.code for note in notes_of(profile, "efficiency") if note.scope == ""} == {"compiled"}
    assert [check for check in profile.checks if not check.ok] == []


@pytest.mark.parametrize("names", [("0", "1"), ("layers.0", "layers.1")])
def test_a_note_on_idle_layers_does_not_speak_of_those_that_work(names: tuple[str, str]) -> None:
    layers = nn.Sequential(nn.Linear(64, 64), nn.Flatten())
    model = layers if names[0] == "0" else nn.ModuleDict({"layers": layers})
    step = {"inputs": torch.ones(8, 64)} if names[0] == "0" else {"call": lambda: layers(torch.ones(8, 64))}

    profile = lp.profile(model, passes=("time", "flops"), repeats=2, ceilings=ceilings(1e15, 1e15), **step)

    scopes = {note.scope for note in profile.notes if note.code == "no_work" and note.quantity == "efficiency"}
    assert names[1] in scopes
    assert not any(fnmatchcase(names[0], scope) for scope in scopes)


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf"), "fast"])
def test_a_ceiling_that_is_none_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="a ceiling is a positive number, or None"):
        Ceilings(kind="measured", device="cpu", source="chosen", copy_bytes_per_s=wrong)  # type: ignore[arg-type]  # so


def test_a_profile_is_not_lost_for_its_ceilings(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("no more space")

    monkeypatch.setattr("layerprof.machine.ceilings_of", fail)
    net = NestedNet()

    profile = lp.profile(net, net.inputs, passes=("time", "flops"), warmup=0, repeats=2)

    assert profile.root.efficiency is None
    assert "no more space" in notes_of(profile, "efficiency")[0].text
    assert [check for check in profile.checks if not check.ok] == []


def test_without_times_no_ceiling_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    net = NestedNet()

    lp.profile(net, net.inputs, passes=("flops",), warmup=0, repeats=1)

    assert list(tmp_path.rglob("*.json")) == []


@pytest.mark.parametrize(("times", "is_raised"), [(0.5, False), (2.0, True)])
def test_kept_ceilings_that_a_layer_outruns_are_measured_once_more(
    times: float, is_raised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = NestedNet()
    fastest = max(layer.flops_per_s or 0.0 for layer in profiled(ceilings(1e15, 1e15), "time", "flops").layers)
    kept, higher = ceilings(fastest / times, 1e15), ceilings(RATE, 1e15)
    monkeypatch.setattr("layerprof.machine.ceilings_of", lambda *args, **options: kept)
    monkeypatch.setattr("layerprof.machine.raised_ceilings", lambda device, known: higher)

    profile = lp.profile(net, net.inputs, clock=net.clock, passes=("time", "flops"), warmup=0, repeats=2)

    assert profile.ceilings == (higher if is_raised else kept)
    assert flagged(profile) == {}
