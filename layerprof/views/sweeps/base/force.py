"""One word for whether what was asked for is what ran, the same in every table."""

from __future__ import annotations

from layerprof.records import CellRecord, TruthRecord

IN_PART, NOT_KNOWN = "in part", "not known"

_REFUSED = frozenset({"not_in_force", "unsupported", "unavailable"})
_WORDS = {True: "yes", False: "no", None: NOT_KNOWN}


def word_of(truth: TruthRecord) -> str:
    """``yes``, ``no``, ``in part`` where a reason says where not, or ``not known``; "" where nothing was asked for."""
    if truth.is_in_force is None and not truth.reasons:
        return ""
    return IN_PART if truth.is_in_force and truth.reasons else _WORDS[truth.is_in_force]


def in_force_word(cell: CellRecord, truth: TruthRecord | None) -> str:
    """The same of a cell; without its evidence, what its numbers tell: no compiled graph of ``generate`` is a part."""
    if cell.failure is not None:
        return "no" if cell.failure.kind in _REFUSED else NOT_KNOWN
    if truth is not None:
        return word_of(truth)
    graphs, in_generate = cell.metrics.get("graphs"), cell.metrics.get("generate_graphs")
    return IN_PART if graphs and in_generate == 0 else NOT_KNOWN
