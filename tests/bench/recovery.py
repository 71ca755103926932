"""Recovery of planted joules: profiles of a net whose layers' joules are known, by counters with real ones' faults.

Every run is a profile with an energy pass in virtual time, from the survey of the layers to the rows, with its own seed
for the net's powers, the device's noise, the counter's phase and the order of windows. Of an honest counter a block
without joules counts as one whose interval does not hold them: a run that came to nothing is no reason for praise.
"""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import torch
from lines import Line, Verdict

import layerprof as lp
from layerprof.energy import Sources
from layerprof.testing.energy import HONEST, PRESETS, Planted, PoweredNet, SimulatedDevice

RUNS = 300
PROCESSES = 2
KINDS = (  # power as a share of the device's limit
    Planted(name="vision", count=9, power_w=0.62, seconds=0.012, spread_rel=0.005, width=2),
    Planted(name="qformer", count=4, power_w=0.38, seconds=0.006, spread_rel=0.005, width=3),
    Planted(name="language", count=7, power_w=0.72, seconds=0.016, spread_rel=0.005, width=5),
    Planted(name="head", count=1, power_w=0.54, seconds=0.009, width=7),
)
IDLE = 0.15  # likewise
CPU_LIMIT_W = 250.0  # of devices that state none
GAP_S = 0.001  # after each block, in which a GPU waits; a processor is at work
FAULT_S = 150.0  # after the pass has begun, within which counters with faults fail
REPEATS = 12
_STEP_S = sum(kind.count * (kind.seconds + GAP_S) for kind in KINDS)
_BEFORE_S = (2 * REPEATS + 2) * _STEP_S + 8.0  # bare and timed steps, and the survey: then the counter is read first
DISHONEST = tuple(name for name in PRESETS if name not in HONEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """One layer of one run.

    Attributes:
        path: of the layer.
        error_rel: of its joules against the planted ones, as a fraction; None where it was given none.
        half_width_rel: half its printed 95 % interval; None likewise.
        is_covered: whether that holds the planted joules.
    """

    path: str
    error_rel: float | None = None
    half_width_rel: float | None = None
    is_covered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One profile.

    Attributes:
        layers: the blocks, also those without joules.
        verdict: on the counter; "" where there are no joules at all.
        flags: codes of notes and findings, and flags of energies.
        closure: parts over whole, or None.
        reason: why there are no joules; "" where there are.
    """

    layers: tuple[Recovered, ...] = ()
    verdict: str = ""
    flags: tuple[str, ...] = ()
    closure: float | None = None
    reason: str = ""


def run(seed: int, preset: str) -> Run:
    """One profile with one seed."""
    torch.set_num_threads(1)
    kind = PRESETS[preset]
    limit_w = kind.limit_w or CPU_LIMIT_W
    device = SimulatedDevice(idle_w=IDLE * limit_w, noise_rel=0.01, drift_rel=0.003, jitter_rel=0.01, seed=seed)
    planted = [replace(one, power_w=one.power_w * limit_w) for one in KINDS]
    net = PoweredNet(device, planted, gap_s=0.0 if kind.domain == "cpu_package" else GAP_S, seed=seed)
    sensors = kind.build(device, seed, fault_s=(_BEFORE_S, _BEFORE_S + FAULT_S))
    sources = Sources(energy=tuple(source for source in (sensors.energy, sensors.power) if source is not None))
    profile = lp.profile(
        net,
        net.inputs,
        passes=("time", "energy"),
        warmup=1,
        repeats=REPEATS,
        energy=sources,
        energy_options=lp.EnergyOptions(seed=seed),
        clock=device,
    )
    blocks = [(path, joules) for path, joules in net.planted_joules().items() if path.count(".") == 1]
    if profile.energy is None:
        reason = next(note.code for note in profile.notes if note.quantity == "energy")
        return Run(layers=tuple(Recovered(path=path) for path, _ in blocks), reason=reason)
    counter, closure = profile.energy.counter, profile.energy.closure
    flags = {note.code for note in (*profile.notes, *counter.findings)} | set(profile.energy.step.flags)
    return Run(
        layers=tuple(_recovered(path, joules, profile[path].energy) for path, joules in blocks),
        verdict=counter.verdict if counter.source == sensors.energy.facts.name else "rejected",
        flags=tuple(sorted(flags)),
        closure=closure.ratio if closure is not None else None,
    )


def _recovered(path: str, planted_j: float, energy: lp.Energy | None) -> Recovered:
    if energy is None or energy.ci95_j is None or energy.half_width_j is None:
        return Recovered(path=path)
    low_j, high_j = energy.ci95_j
    return Recovered(
        path=path,
        error_rel=energy.total_j / planted_j - 1.0,
        half_width_rel=energy.half_width_j / planted_j,
        is_covered=low_j <= planted_j <= high_j,
    )


def runs_of(preset: str, seeds: Sequence[int], *, processes: int = PROCESSES) -> list[Run]:
    """One run for each seed."""
    if processes == 1:
        return [run(seed, preset) for seed in seeds]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(partial(run, preset=preset), seeds, chunksize=10))


def by_layer(runs: Sequence[Run]) -> Mapping[str, list[Recovered]]:
    """The runs' layers, by path."""
    found: dict[str, list[Recovered]] = {}
    for one in runs:
        for layer in one.layers:
            found.setdefault(layer.path, []).append(layer)
    return found


def coverage(layers: Sequence[Recovered]) -> float:
    """The share whose interval holds the planted joules."""
    return sum(layer.is_covered for layer in layers) / len(layers)


def lines() -> Iterator[Line]:
    """A few lines a preset."""
    warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
    for preset in HONEST:
        yield from _honest_lines(preset, runs_of(preset, range(RUNS)))
    for preset in DISHONEST:
        runs = runs_of(preset, range(RUNS))
        caught = sum(not one.verdict or one.verdict != "accepted" or bool(_alarms(one)) for one in runs)
        yield _line(f"{preset}: rejected or flagged", caught / len(runs), "100 %", is_met=caught == len(runs))


def _honest_lines(preset: str, runs: Sequence[Run]) -> Iterator[Line]:
    pooled = [layer for one in runs for layer in one.layers]
    worst = min(map(coverage, by_layer(runs).values()))
    errors = [layer.error_rel for layer in pooled if layer.error_rel is not None]
    widths = [layer.half_width_rel for layer in pooled if layer.half_width_rel is not None]
    bias, width = statistics.fmean(errors or [math.nan]), statistics.median(widths or [math.nan])
    rejected = sum(one.verdict != "accepted" for one in runs)
    empty = [one.reason for one in runs if one.reason]
    closures = [one.closure for one in runs if one.closure is not None]
    share = coverage(pooled)
    yield _line(f"{preset}: coverage of the 95 % interval", share, "93 to 97 %", is_met=0.93 <= share <= 0.97)
    yield _line(f"{preset}: of the worst layer", worst, "90 %", is_met=worst >= 0.90)
    yield _line(f"{preset}: bias", bias, "under 1 %", is_met=abs(bias) < 0.01)
    yield _line(f"{preset}: median half width", width, "at most 5 %", is_met=width <= 0.05)
    yield _line(f"{preset}: rejected or restricted", rejected / len(runs), "none", is_met=not rejected)
    reasons = f" ({', '.join(sorted(set(empty)))})" if empty else ""
    yield _line(f"{preset}: without joules{reasons}", len(empty) / len(runs), "none", is_met=not empty)
    furthest = max((abs(one - 1.0) for one in closures), default=math.nan)
    yield _line(f"{preset}: furthest closure from 1", furthest, "", is_met=None)


ALARMS = frozenset({"counter_reset", "counter_frozen", "counter_disagrees_with_power", "counter_read_rate_sensitive"})


def _alarms(one: Run) -> frozenset[str]:
    return ALARMS & set(one.flags)


def _line(what: str, share: float, goal: str, *, is_met: bool | None) -> Line:
    verdict: Verdict = "" if is_met is None else "met" if is_met else "missed"
    return Line(what=what, number=f"{100 * share:.2f} %", interval="", goal=goal, verdict=verdict, note=f"{RUNS} runs")
