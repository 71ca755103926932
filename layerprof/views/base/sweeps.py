"""Sentences below a sweep's table: what its numbers are of, where they were measured, and what is not shown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from layerprof.records import CellRecord, Note, SweepRecord

SHORT_ID = 8  # digits of an environment's id that a table shows

_MOST_ENVIRONMENTS = 6
_ORDER = ("done", "failed", "skipped", "pending")
_QUICK = "quick"
_QUICK_TEXT = "short windows: for a look, not for a comparison"

_NUMBER = re.compile(r"(?<![\w.])\d[\d.,]*(?!\w)")  # by itself: conv2d and conv3d are two names
_OF_A_VALUE = frozenset({"batches_differ"})  # which says nothing where the quantity was not measured
_OF_ONE_CELL = frozenset({"failed_before", "mixed_environments", "other_environment"})  # which its row does not show

_MACHINE = ("device_type", "cpu", "platform")
_PACKAGES = ("layerprof", "torch", "transformers", "python", "cuda", "cudnn", "driver")
_UNITS = {"cores": "cores", "power_limit_w": "W"}
_SILENT = frozenset({"device", "isolation", "memory_bytes"})  # said elsewhere, or by the device's name


def remaining_footnotes(record: SweepRecord, *, shown: int) -> Iterator[str]:
    """How many cells have no row, how all of them ended, and which file has them; nothing where all are shown."""
    hidden = len(record.cells) - shown
    if hidden > 0:
        counts: Counter[str] = Counter(cell.status for cell in record.cells)
        ends = ", ".join(f"{counts[status]:,} {status}" for status in _ORDER if counts[status])
        yield f"… {hidden:,} more in {record.plan.name}.csv; of {len(record.cells):,} cells {ends}."


def method_footnotes(record: SweepRecord) -> Iterator[str]:
    """How many processes a number is of, and what its interval holds; and which cells were only looked at."""
    has_numbers = any(cell.metrics for cell in record.cells)
    is_said = any(note.code == "one_process" for cell in record.cells for note in cell.notes)
    if has_numbers and record.plan.rounds > 1:
        yield _processes_in_words(record)
    elif has_numbers and not is_said:
        yield "One process a cell: intervals are of its steps alone and do not hold how processes differ."
    if any(cell.axes.get(_QUICK) is True for cell in record.cells):
        is_all = all(cell.axes.get(_QUICK) is True for cell in record.cells)
        text = _QUICK_TEXT if record.plan.rounds > 1 else f"one process, {_QUICK_TEXT}"
        yield f"{_QUICK}: {text}." if is_all else f"Cells with {_QUICK} True: {text}."


def is_of_one_process(cell: CellRecord) -> bool:
    """Whether a cell's numbers are of one process although more were planned: no interval knows how they differ."""
    is_single = cell.runs_done == 1 or any(note.code == "one_process" for note in cell.notes)
    return bool(cell.metrics) and cell.runs_planned > 1 and is_single


def _processes_in_words(record: SweepRecord) -> str:
    rounds, measured = record.plan.rounds, [cell for cell in record.cells if cell.metrics]
    amount = f"Up to {rounds}" if any(_is_partial(cell, rounds) for cell in measured) else f"{rounds}"
    but = " (not where the status says one process)" if any(map(is_of_one_process, measured)) else ""
    return (
        f"{amount} processes a cell, in rounds of all cells: a value is the median over them, and its 95 % interval "
        f"holds how they differ{but}."
    )


def _is_partial(cell: CellRecord, rounds: int) -> bool:
    """Whether fewer runs than planned gave a cell's numbers; those of other environments are left out."""
    return cell.runs_done < rounds or any(note.code in ("mixed_environments", "one_process") for note in cell.notes)


def environment_footnotes(record: SweepRecord, used: Sequence[str]) -> Iterator[str]:
    """One line for each environment that cells were measured in.

    Args:
        record: of the sweep, with the facts of its environments.
        used: ids of those that cells were measured in; several are told by theirs.
    """
    known = [id_ for id_ in used if id_ in record.environments]
    for id_ in known[:_MOST_ENVIRONMENTS]:
        name = "Measured on" if len(used) == 1 else f"Environment {id_[:SHORT_ID]}:"
        yield f"{name} {_in_words(record.environments[id_])}."
    if len(known) > _MOST_ENVIRONMENTS:
        yield f"… and in {len(known) - _MOST_ENVIRONMENTS:,} more environments."


def note_footnotes(record: SweepRecord, *, axes: Sequence[str], most_notes: int | None) -> tuple[str, ...]:
    """Each reason once, whichever cells it is about; those of the folder first.

    Reasons that differ only by their numbers, or by the quantities that they are about, are one: the first cell's, and
    in how many more there is one like it.

    Args:
        record: of the sweep.
        axes: that name a cell, where a reason is about the whole of it.
        most_notes: a last line says how many there are more. None is all.
    """
    said = (*map(_in_line, record.notes), *_notes_of_cells(record.cells, axes))
    texts = tuple(dict.fromkeys(said))
    if most_notes is None or len(texts) <= most_notes:
        return texts
    return (*texts[:most_notes], f"… {len(texts) - most_notes:,} more notes in {record.plan.name}.csv")


def _notes_of_cells(cells: Iterable[CellRecord], axes: Sequence[str]) -> Iterator[str]:
    alike: dict[tuple[str, str], list[tuple[int, CellRecord, Note]]] = {}
    for place, cell in enumerate(cells):
        for note in cell.notes:
            if note.code not in _OF_A_VALUE or cell.metrics.get(note.quantity) is not None:
                # words are compared too: two ops without a formula are two reasons, of one code
                alike.setdefault((note.code, _NUMBER.sub("0", note.text)), []).append((place, cell, note))
    for group in alike.values():
        (_, cell, note), more = group[0], len({place for place, _, _ in group}) - 1
        name = _name(cell, axes) if note.code in _OF_ONE_CELL else ""
        is_counted = more > 0 and (name or any(other.text != note.text for _, _, other in group))
        cells_more = f" (likewise in {more:,} more cell{'s' if more > 1 else ''})" if is_counted else ""
        said = replace(note, quantity=_quantities(each for _, _, each in group))
        yield f"{name}{_in_line(said)}{cells_more}"


def _quantities(notes: Iterable[Note]) -> str:
    """Each quantity that one of the notes is about, once."""
    return ", ".join(dict.fromkeys(name for note in notes if note.quantity for name in note.quantity.split(", ")))


def _name(cell: CellRecord, axes: Sequence[str]) -> str:
    settings = ", ".join(f"{axis} {cell.axes[axis]}" for axis in axes if axis in cell.axes)
    return f"{settings}: " if settings else ""


def _in_line(note: Note) -> str:
    return f"{note.quantity}: {note.text}" if note.quantity else note.text


def _in_words(facts: Mapping[str, str]) -> str:
    machine = dict.fromkeys(facts[name] for name in _MACHINE if name in facts)
    amounts = [f"{facts[name]} {unit}" for name, unit in _UNITS.items() if name in facts]
    packages = [f"{name} {facts[name]}" for name in _PACKAGES if name in facts]
    said = {*_MACHINE, *_UNITS, *_PACKAGES, *_SILENT}
    others = [f"{name}={value}" for name, value in facts.items() if name not in said]
    return "; ".join(", ".join(words) for words in ([*machine, *amounts], packages, others) if words)
