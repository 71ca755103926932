"""What was in force in the cells, fact by fact; where all cells agree they share a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from layerprof.names import short_dtype
from layerprof.records import AxisValue, CellRecord, PartInfo, TruthRecord
from layerprof.views.base import Column, Row, Table
from layerprof.views.sweeps.base import Results, word_of

_MOST_LABELS = 4  # cells that a row names
_ALL, _OTHERS, _USUAL = "all cells", "all other cells", "usual settings"
_NAN = "NaN in outputs"
_DERIVED = frozenset({"samples"})  # settings that follow from another one


def truth_table(results: Results) -> Table:
    """One row a fact and what was found, with the cells that it was found in; empty where no cell has evidence."""
    found = [
        (cell, evidence.truth)
        for cell in results.cells
        if (evidence := results.evidence.get(cell.id)) is not None and evidence.truth is not None
    ]
    settings = _Settings(found=tuple(cell for cell, _ in found), usual=_usual(results))
    return Table(
        title="What was in force",
        columns=(
            Column(name="fact", align="left"),
            Column(name="cells", align="left"),
            Column(name="found", align="left"),
        ),
        rows=tuple(row for fact, read in _FACTS.items() for row in _rows(fact, read, found, settings)),
        footnotes=tuple(_footnotes(results, len(found))),
    )


def _rows(
    fact: str,
    read: Callable[[TruthRecord], str],
    found: Sequence[tuple[CellRecord, TruthRecord]],
    settings: _Settings,
) -> Iterator[Row]:
    cells_of: dict[str, list[CellRecord]] = {}
    for cell, truth in found:
        text = read(truth)
        if text:
            cells_of.setdefault(text, []).append(cell)
    known = sum(map(len, cells_of.values()))
    for text, cells in sorted(cells_of.items(), key=lambda pair: -len(pair[1])):
        is_most = 2 * len(cells) > known == len(found)
        names = _ALL if len(cells) == len(found) else _OTHERS if is_most else settings.named(cells)
        is_problem = fact == _NAN and text != "none"
        yield Row(cells=(fact, names, text), role="problem" if is_problem else "body")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """How some of the cells are named by what they have in common, or by where they differ from most.

    Attributes:
        found: all cells that names have to tell apart.
        usual: the value that a setting has in most tests.
    """

    found: tuple[CellRecord, ...]
    usual: Mapping[str, AxisValue]

    def named(self, cells: Sequence[CellRecord]) -> str:
        """The one setting that all of these cells and no others have; else each by its own settings."""
        ids = {cell.id for cell in cells}
        for name, value in cells[0].axes.items():
            if {cell.id for cell in self.found if cell.axes.get(name) == value} == ids:
                return f"{name} {value}"
        names = list(dict.fromkeys(map(self._label, cells)))
        more = len(names) - _MOST_LABELS
        return "; ".join([*names[:_MOST_LABELS], *([f"… and {more:,} more"] if more > 0 else [])])

    def _label(self, cell: CellRecord) -> str:
        unusual = [
            f"{name} {cell.axes.get(name)}" for name, value in self.usual.items() if cell.axes.get(name) != value
        ]
        return ", ".join(unusual) or _USUAL


def _usual(results: Results) -> Mapping[str, AxisValue]:
    values: dict[str, Counter[AxisValue]] = {}
    for of in results.tests:
        for name, value in of.test.fixed.items():
            values.setdefault(name, Counter())[value] += 1
    return {name: counter.most_common(1)[0][0] for name, counter in values.items() if name not in _DERIVED}


def _footnotes(results: Results, known: int) -> Iterator[str]:
    silent = len(results.cells) - known
    if known and silent:
        yield f"{silent:,} of {len(results.cells):,} cells are not in it: not measured, or without evidence."


def _by_part(parts: Iterable[PartInfo], read: Callable[[PartInfo], str | None]) -> str:
    """One word where the parts agree, else a word for each."""
    words = {part.name: read(part) or "none" for part in parts}
    if len(set(words.values())) == 1:
        return f"{next(iter(words.values()))} in all parts"
    return ", ".join(f"{name} {word}" for name, word in words.items())


def _in_force(truth: TruthRecord) -> str:
    word = word_of(truth)
    return "; ".join((word, *truth.reasons)) if word else ""


def _graphs(truth: TruthRecord) -> str:
    """Counts of what was compiled; nothing where nothing is compiled."""
    if not truth.graphs and truth.recompiles is None:
        return ""
    graphs = ", ".join(f"{part or 'whole model'} {count}" for part, count in truth.graphs.items())
    counts = (("recompiled", truth.recompiles), ("breaks", truth.graph_breaks), ("in generate", truth.generate_graphs))
    said = [f"{name} {count}" for name, count in counts if count is not None]
    return "; ".join([graphs or "no graph", *said])


def _nan(truth: TruthRecord) -> str:
    return {True: "yes", False: "none", None: ""}[truth.has_nan]


_FACTS: Mapping[str, Callable[[TruthRecord], str]] = {
    "optimization in force": _in_force,
    "dtype": lambda truth: _by_part(truth.parts, lambda part: _short(part.dtype)) if truth.parts else "",
    "attention": lambda truth: _by_part(truth.parts, lambda part: part.attention) if truth.parts else "",
    "graphs": _graphs,
    "image tokens": lambda truth: "" if truth.image_tokens is None else f"{truth.image_tokens:,}",
    "vision tokens": lambda truth: "" if truth.vision_tokens is None else f"{truth.vision_tokens:,}",
    _NAN: _nan,
    "image processor": lambda truth: truth.image_processor,
}


def _short(dtypes: str) -> str:
    return "+".join(map(short_dtype, dtypes.split("+")))
