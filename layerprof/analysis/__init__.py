"""What a sweep's numbers say, computed: the steps by stage, sentences, and figures that others have published.

    SweepRecord ─ cells ─┬─ layer profile, read once ─▶ breakdowns ─┐
                         └─ answers, read once ─────────────────────┴─▶ findings
                                    published figures, a data file ───▶ comparisons, oddities

No torch here: a sweep is analysed wherever its folder can be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from layerprof.analysis.base import CellLayers, layers_of, studies_of
from layerprof.analysis.findings import findings_of
from layerprof.analysis.published import REFERENCES, compared_with
from layerprof.errors import InputError, LayerprofError
from layerprof.records import AnalysisRecord, CellRecord, EvidenceRecord, Profile, SweepRecord

__all__ = ["REFERENCES", "analysed"]


def analysed(record: SweepRecord, *, against: str | None = None) -> SweepRecord:
    """The sweep with what its numbers say.

    Each cell's layer profile and answers are read once; those that cannot be read add nothing.

    Args:
        record: finished or not.
        against: name of published figures to compare with, such as ``reference``; None compares with none.

    Raises:
        InputError: where there are no figures of that name.
    """
    if against is not None and against not in REFERENCES:
        raise InputError(f"there are no published figures {against!r}; there are {', '.join(REFERENCES)}")
    layers = dict(_layers(record.cells))
    evidence = dict(_evidence(record.cells))
    studies = tuple(studies_of(record, layers, evidence))
    analysis = AnalysisRecord(
        breakdowns=tuple(layers[cell.id].breakdown for cell in record.cells if cell.id in layers),
        findings=tuple(each for study in studies for each in findings_of(study)),
    )
    if against is not None:
        analysis = compared_with(against, record.plan.model, studies, analysis)
    return replace(record, analysis=analysis)


def _layers(cells: tuple[CellRecord, ...]) -> Iterator[tuple[str, CellLayers]]:
    for cell in cells:
        profile = _profile_of(cell)
        if profile is not None:
            yield cell.id, layers_of(cell, profile)


def _evidence(cells: tuple[CellRecord, ...]) -> Iterator[tuple[str, EvidenceRecord]]:
    for cell in cells:
        found = _evidence_of(cell)
        if found is not None:
            yield cell.id, found


def _profile_of(cell: CellRecord) -> Profile | None:
    """The cell's layer profile; None where its file is gone or damaged, which the sweep's own notes tell."""
    try:
        return cell.profile
    except LayerprofError:
        return None


def _evidence_of(cell: CellRecord) -> EvidenceRecord | None:
    """What stands behind the cell's numbers; None likewise."""
    try:
        return cell.evidence
    except LayerprofError:
        return None
