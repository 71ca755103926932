"""The ceilings of a profile: those that are in use, and how they are said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from layerprof.records import Ceilings, FrozenMapping, Profile, Quantities
from layerprof.units import with_unit


def ceilings_of(profile: Profile) -> Ceilings | None:
    """The ceilings that efficiencies are held against: the measured ones, and the vendor's where none was measured."""
    measured, peaks = profile.ceilings, profile.peaks
    if measured is None or peaks is None:
        return measured or peaks
    copy_bytes_per_s = measured.copy_bytes_per_s
    return replace(
        measured,
        matrix_flops_per_s=FrozenMapping({**peaks.matrix_flops_per_s, **measured.matrix_flops_per_s}),
        copy_bytes_per_s=peaks.copy_bytes_per_s if copy_bytes_per_s is None else copy_bytes_per_s,
        launch_s=peaks.launch_s if measured.launch_s is None else measured.launch_s,
    )


def ceilings_words(profile: Profile) -> tuple[tuple[str, str, str], ...]:
    """What is measured and what the vendor states: its name, its numbers, its source.

    Of formats, only those that the model computes in are said. The numbers read such as
    ``float32 85.0 GFLOP/s, memory 21.0 GB/s, launch 3.20 µs``.
    """
    formats = _formats_in_use(profile)
    return tuple(
        (name, ", ".join(_words(ceilings, formats)), ceilings.source)
        for name, ceilings in (("measured ceilings", profile.ceilings), ("vendor's peaks", profile.peaks))
        if ceilings is not None
    )


def _formats_in_use(profile: Profile) -> frozenset[str] | None:
    """Of all rows, since a root that is not called by itself has none; None where no row tells its formats."""
    rows: tuple[Quantities, ...] = (*profile.phases, *profile.layers)
    told = [row.flops_by_dtype for row in rows if row.flops_by_dtype is not None]
    return frozenset(dtype for by_dtype in told for dtype in by_dtype) if told else None


def _words(ceilings: Ceilings, formats: frozenset[str] | None) -> Iterator[str]:
    for dtype, rate in ceilings.matrix_flops_per_s.items():
        if formats is None or dtype in formats:
            yield f"{dtype} {with_unit(rate, 'flops_per_s')}"
    if ceilings.copy_bytes_per_s is not None:
        yield f"memory {with_unit(ceilings.copy_bytes_per_s, 'bytes_per_s')}"
    if ceilings.launch_s is not None:
        yield f"launch {with_unit(ceilings.launch_s, 's')}"
