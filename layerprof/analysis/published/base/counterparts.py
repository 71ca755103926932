"""Which of our cells stands beside a published one, and in what the two differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from layerprof.analysis.base import Study, value_words, weakness_of
from layerprof.analysis.published.base.base import SAMPLES, PublishedCell, PublishedFigures, PublishedTest
from layerprof.names import dtype_of, kind_of_device, short_dtype
from layerprof.records import AxisValue, CellRecord

OPTIMIZATIONS: Mapping[str, tuple[AxisValue, ...]] = {
    "fp16": ("sdpa", None),
    "compile": ("compile", "compile_whole"),
    "flash_attention_2": ("flash_attention_2",),
}
"""Ours by the published name, the nearest first; theirs is a number format where nothing is optimised."""

_MODEL_SIZE = 224  # pixels: what the published model sees, whatever the picture was resized to
_PUBLISHED_DTYPE = "fp16"
TIMED = ("latency_s", "energy_j_per_sample")
"""Metrics to which the device and how it was measured matter."""

_QUALITY = ("wer", "wer_echo")
_LENGTHS = ("new_tokens", "total_tokens", "seq_len")  # kinds of length that the published limit may stand for


Beside = Sequence[tuple[CellRecord, PublishedCell]]
"""Cells of ours, each with the published one beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """A published cell with ours beside it.

    Attributes:
        test: of both.
        row: what varies, in words.
        ours: None where the sweep has no such cell.
        theirs: the published row.
        timed: theirs on the kind of device that ours ran on, in batches as large; None where none was published.
        model: that ours is of.
    """

    test: str
    row: str
    ours: CellRecord | None
    theirs: PublishedCell
    timed: PublishedCell | None
    model: str

    @property
    def optimization(self) -> str:
        """Ours by name; "" without a cell of ours."""
        return "" if self.ours is None else str(self.ours.axes.get("optimization"))


def pairings(study: Study, test: PublishedTest, figures: PublishedFigures, model: str) -> Iterator[Pairing]:
    """Every row of a published table with our cell of the same settings; two where it may be compiled in two ways."""
    for cell in test.cells:
        found = _counterparts(study, test, cell)
        for ours in found or (None,):
            row = test.words(cell)
            if ours is not None and len(found) > 1:
                row = f"{row} (ours {value_words(ours, 'optimization')})"
            timed = cell if ours is None else _timed_like(ours, cell, figures)
            yield Pairing(test=study.test, row=row, ours=ours, theirs=cell, timed=timed, model=model)


def _timed_like(ours: CellRecord, cell: PublishedCell, figures: PublishedFigures) -> PublishedCell | None:
    """The published run on our kind of device and in batches of our size."""
    return figures.like(cell, device=kind_of(ours), batch_size=ours.axes.get("batch_size"))


def _counterparts(study: Study, test: PublishedTest, cell: PublishedCell) -> tuple[CellRecord, ...]:
    found = [ours for ours in study.cells if _matches(ours, test, cell)]
    is_compiled = cell.axes["optimization"] == "compile"
    chosen: dict[AxisValue, CellRecord] = {}
    for ours in sorted(found, key=lambda ours: _distance(ours, cell)):
        chosen.setdefault(ours.axes.get("optimization") if is_compiled else None, ours)
    return tuple(chosen.values())


def kind_of(cell: CellRecord) -> str:
    """The kind of device that it ran on, or was to run on."""
    return kind_of_device(str(cell.axes.get("device") or "cpu"))


def differences(cells: Beside, model: str, quantity: str) -> Iterator[str]:
    """In what cells differ from the published ones, as far as it matters to a figure of them or a ratio of two.

    Args:
        cells: ours, each with theirs.
        model: that ours are of.
        quantity: the metric's name.
    """
    for ours, theirs in cells:
        if quantity in TIMED:
            yield from _timed_differences(ours, model, quantity)
        if quantity in _QUALITY:
            yield from _quality_differences(ours)
        elif ours.axes.get("batch_size") != theirs.batch_size:
            yield f"ours in batches of {value_words(ours, 'batch_size')}, theirs of {theirs.batch_size}"
        if str(ours.axes.get("source") or "hub").partition("@")[0] != "hub":
            yield f"ours with data from {value_words(ours, 'source')}"
        kind = next((name for name in _LENGTHS if ours.axes.get(name) is not None), "seq_len")
        if kind != "seq_len":
            yield f"ours limits {kind}, theirs the text's tokens"
    weakness = weakness_of(ours for ours, _ in cells) if quantity in TIMED else ""
    if weakness:
        yield weakness


def _timed_differences(cell: CellRecord, model: str, quantity: str) -> Iterator[str]:
    """In what a cell differs as far as time and energy go."""
    given = cell.axes.get("dtype")
    dtype = short_dtype(dtype_of(model, given if isinstance(given, str) else None) or "")
    if kind_of(cell) == "cuda":
        yield "their GPU is not named"
    if dtype != _PUBLISHED_DTYPE:
        yield f"ours {dtype or 'in its own format'}, theirs {_PUBLISHED_DTYPE}"
    is_of_longest = any(note.code == "batches_differ" and note.quantity == "energy_j" for note in cell.notes)
    if quantity == "energy_j_per_sample" and is_of_longest:
        yield "ours of the batch with the longest text"


def _quality_differences(cell: CellRecord) -> Iterator[str]:
    """In what a cell differs as far as answers go."""
    if cell.axes.get("weights") != "pretrained":
        yield f"ours with {value_words(cell, 'weights')} weights, theirs pretrained"
    if cell.axes.get("samples") != SAMPLES:
        yield f"ours of {value_words(cell, 'samples')} samples, theirs of {SAMPLES}"


def joined(remarks: Iterable[str]) -> str:
    """Remarks as one text, each once."""
    return "; ".join(dict.fromkeys(remark for remark in remarks if remark))


def _matches(ours: CellRecord, test: PublishedTest, cell: PublishedCell) -> bool:
    axes = ours.axes
    if axes.get("dataset") != cell.axes["dataset"]:
        return False
    if "batch_size" in test.axes and axes.get("batch_size") != cell.axes["batch_size"]:
        return False
    if "seq_len" in test.axes and _length_of(ours) != cell.axes["seq_len"]:
        return False
    if axes.get("optimization") not in OPTIMIZATIONS[str(cell.axes["optimization"])]:
        return False
    return _has_size(ours, cell) and ("device" not in test.axes or kind_of(ours) == cell.axes["device"])


def _length_of(ours: CellRecord) -> AxisValue:
    """The limit of the text, whichever kind of length it is of."""
    return next((ours.axes[name] for name in _LENGTHS if ours.axes.get(name) is not None), None)


def _has_size(ours: CellRecord, cell: PublishedCell) -> bool:
    """Whether its picture was resized to the published size before the processor, which undoes it."""
    if ours.axes.get("image_size") not in (None, _MODEL_SIZE):
        return False
    resized_to, size = ours.axes.get("resized_to"), cell.axes["image_size"]
    return resized_to == size or (resized_to is None and size == _MODEL_SIZE)


def _distance(ours: CellRecord, cell: PublishedCell) -> tuple[bool, ...]:
    """What makes a cell less near, the weightiest first."""
    axes = ours.axes
    return (
        kind_of(ours) != cell.axes["device"],
        axes.get("batch_size") != cell.axes["batch_size"],
        axes.get("optimization") != OPTIMIZATIONS[str(cell.axes["optimization"])][0],
        axes.get("dtype") != _PUBLISHED_DTYPE,
        axes.get("dtype") is not None,
        axes.get("resized_to") != cell.axes["image_size"],
    )
