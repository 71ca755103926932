"""What a reader has to know besides the numbers: the invariants, the notes, and the ops that were not counted."""

from __future__ import annotations

from collections.abc import Sequence

from layerprof.records import Check, Note, UncountedOp
from layerprof.views.base import Column, Row, Table

_MOST_LAYERS = 3  # named for one uncounted op


def checks_table(checks: Sequence[Check]) -> Table:
    """One row an invariant, with the numbers behind its verdict."""
    return Table(
        title="Checks",
        columns=(
            Column(name="check", align="left"),
            Column(name="verdict", align="left"),
            Column(name="detail", align="left"),
        ),
        rows=tuple(
            Row(
                cells=(check.name, "holds" if check.ok else "FAILED", check.detail),
                role="body" if check.ok else "problem",
            )
            for check in checks
        ),
    )


def notes_table(notes: Sequence[Note]) -> Table:
    """One row a note; the same sentence about several quantities of one scope is one row."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for note in notes:
        grouped.setdefault((note.code, note.scope, note.text), []).append(note.quantity)
    return Table(
        title="Notes",
        columns=tuple(Column(name=name, align="left") for name in ("code", "quantity", "scope", "note")),
        rows=tuple(
            Row(cells=(code, ", ".join(filter(None, quantities)), scope, text))
            for (code, scope, text), quantities in grouped.items()
        ),
    )


def uncounted_table(uncounted: Sequence[UncountedOp]) -> Table:
    """One row an op that is in no FLOP table, with where it ran."""
    return Table(
        title="Uncounted ops",
        columns=(
            Column(name="op", align="left"),
            Column(name="calls", quantity="integer"),
            Column(name="share of time", quantity="share"),
            Column(name="layers", align="left"),
        ),
        rows=tuple(Row(cells=(op.op, op.calls, op.time_share, _layers(op.layers))) for op in uncounted),
    )


def _layers(paths: Sequence[str]) -> str:
    named = ", ".join(path or "(model)" for path in paths[:_MOST_LAYERS])
    hidden = len(paths) - _MOST_LAYERS
    return f"{named} and {hidden} more" if hidden > 0 else named
