"""What tests of an analysis' sentences share: finding one, and made-up sweeps that are changed in one thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from reference_sweeps import small_sweep

from layerprof.analysis import analysed
from layerprof.records import (
    CellRecord,
    Distribution,
    Finding,
    FrozenMapping,
    Note,
    Profile,
    SweepRecord,
)
from layerprof.store import write_record

Metrics = Mapping[str, float | int | None]


def findings_of(record: SweepRecord, *, test: str, kind: str) -> list[Finding]:
    analysis = analysed(record).analysis
    assert analysis is not None
    return [each for each in analysis.findings if each.test == test and each.kind == kind]


def one_that(findings: list[Finding], *words: str) -> Finding:
    (found,) = [each for each in findings if all(word in each.text for word in words)]
    return found


def changed(
    record: SweepRecord, change: Callable[[CellRecord], Metrics], *, notes: tuple[Note, ...] | None = None
) -> SweepRecord:
    """The sweep with other metrics in its finished cells."""
    cells = tuple(
        replace(
            cell,
            metrics=FrozenMapping({**cell.metrics, **change(cell)}),
            notes=cell.notes if notes is None else notes,
        )
        if cell.status == "done"
        else cell
        for cell in record.cells
    )
    return replace(record, cells=cells)


def latency(seconds: float, *, width: float = 0.02) -> Metrics:
    return {"latency_s": seconds, "latency_low_s": seconds * (1 - width), "latency_high_s": seconds * (1 + width)}


def size_of(cell: CellRecord) -> int:
    return int(cell.axes["batch_size"] or 0)


def steady(seconds: Callable[[int], float], *, width: float = 0.02) -> SweepRecord:
    """The sweep with latencies by the batch size, and nothing that weakens them."""
    return changed(small_sweep(), lambda cell: latency(seconds(size_of(cell)), width=width), notes=())


def halved(time: Distribution | None) -> Distribution | None:
    return None if time is None else Distribution(samples=tuple(each / 2 for each in time.samples))


def on_a_device(record: SweepRecord) -> SweepRecord:
    """The sweep with kernels that take half of what their layers take, in the profiles of its files."""
    for cell in record.cells:
        profile = cell.profile
        if profile is not None:
            layers = tuple(replace(each, device_self_s=halved(each.self_s)) for each in profile.layers)
            stages = tuple(replace(each, device_self_s=halved(each.self_s)) for each in profile.stages)
            device = replace(profile, layers=layers, stages=stages, device_total_s=halved(profile.step_s))
            write_record(device, Path(cell.folder) / str(cell.profile_path))
    return record


def scaled(profile: Profile, path: str, factor: float) -> Profile:
    """The profile with one layer, and the stage that it is, so many times as slow."""

    def slower(time: Distribution | None) -> Distribution | None:
        return None if time is None else Distribution(samples=tuple(each * factor for each in time.samples))

    layers = tuple(replace(each, self_s=slower(each.self_s)) if each.path == path else each for each in profile.layers)
    stages = tuple(replace(each, self_s=slower(each.self_s)) if path in each.paths else each for each in profile.stages)
    return replace(profile, layers=layers, stages=stages)


def with_scaled(record: SweepRecord, test: str, path: str, factor: float) -> SweepRecord:
    """The sweep with that layer slower in the profiles of a test."""
    ids = next(each.cells for each in record.plan.tests if each.name == test)
    for cell in record.cells:
        profile = cell.profile if cell.id in ids else None
        if profile is not None:
            write_record(scaled(profile, path, factor), Path(cell.folder) / str(cell.profile_path))
    return record
