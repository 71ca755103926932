"""Published figures as records, read from the data file of the package; and what is known of how they were made."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from layerprof.records import AxisValue

REFERENCES: Mapping[str, str] = {"reference": "blip2-opt-2.7b.json"}
"""Published figures by the name that they are asked for, with their data file."""

SAMPLES = 300
"""Samples of each published cell: 300 mod 8 = 4 and 300 mod 16 = 12 explain the printed FLOPs of the last batches."""

REFERENCE_WORDS: Mapping[str, int] = {"TextVQA": 430, "ScienceQA": 300, "COCO": 3177}
"""Words of the 300 first references: the published rates are whole numbers of errors over them, to single precision."""

_PREFIXES = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_PRINTED = re.compile(r"\s*([0-9.]+)\s*([KMGTP]?)(?:FLOPS)?\s*")
_PACKAGE = "layerprof.analysis.published"  # beside whose code the data files lie
_AXES = ("dataset", "device", "batch_size", "image_size", "seq_len", "optimization")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCell:
    """The figures of one published run.

    Attributes:
        axes: its settings, under the published names.
        wer: of prompt and answer together; None where it failed, as all figures are.
        latency_s: of one forward pass of a batch.
        energy_j_per_sample: joules.
        flops: of the last batch, as rounded in print.
        failure: why there are no figures; "" where there are.
        suspect: what is wrong with them; "" where nothing is known to be.
    """

    axes: Mapping[str, AxisValue]
    wer: float | None
    latency_s: float | None
    energy_j_per_sample: float | None
    flops: float | None
    failure: str = ""
    suspect: str = ""

    @property
    def batch_size(self) -> int:
        """Samples of a step."""
        return int(self.axes["batch_size"] or 0)

    @property
    def last_batch_samples(self) -> int:
        """Samples of the last batch, which the printed FLOPs are of."""
        return SAMPLES % self.batch_size or self.batch_size


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTest:
    """One published table.

    Attributes:
        name: of the test.
        axes: that vary in it.
        cells: its rows, in order.
        rows: as printed, rounded.
    """

    name: str
    axes: tuple[str, ...]
    cells: tuple[PublishedCell, ...]
    rows: tuple[tuple[str | float | None, ...], ...]

    def words(self, cell: PublishedCell) -> str:
        """A row by what varies, such as ``batch_size 4`` or ``image_size 336, COCO``."""
        names = sorted(self.axes, key=lambda name: name == "dataset")
        return ", ".join(f"{cell.axes[name]}" if name == "dataset" else f"{name} {cell.axes[name]}" for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFigures:
    """Everything that was published of one model.

    Attributes:
        model: its name on the hub.
        tests: the tables.
        cells: all runs.
    """

    model: str
    tests: tuple[PublishedTest, ...]
    cells: tuple[PublishedCell, ...]

    def cell(self, **axes: AxisValue) -> PublishedCell | None:
        """The run of these settings; None where there is none."""
        return next((cell for cell in self.cells if _has(cell, axes)), None)

    def like(self, cell: PublishedCell, **axes: AxisValue) -> PublishedCell | None:
        """The run that differs from another in these settings alone; None where there is none."""
        return self.cell(**{**cell.axes, **axes})


def published_figures(name: str) -> PublishedFigures:
    """The figures by the name that they are asked for; one of `REFERENCES`."""
    text = (resources.files(_PACKAGE) / REFERENCES[name]).read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    cells = tuple(_cell(row) for row in content["cells"])
    tests = tuple(_test(key, table, cells) for key, table in content["rounded_tables"].items())
    return PublishedFigures(model=content["model"], tests=tests, cells=cells)


def parsed_flops(printed: str) -> float:
    """The number of a printed text such as ``751.3 GFLOPS``.

    Raises:
        ValueError: where it is none.
    """
    found = _PRINTED.fullmatch(printed)
    if found is None:
        raise ValueError(f"{printed!r} is no amount of FLOPs, such as 751.3 GFLOPS")
    return float(found[1]) * _PREFIXES[found[2]]


def _cell(row: Mapping[str, Any]) -> PublishedCell:
    printed = row["flops_printed"]
    return PublishedCell(
        axes={name: row[name] for name in _AXES},
        wer=row["wer"],
        latency_s=row["latency_s"],
        energy_j_per_sample=row["energy_j_per_sample"],
        flops=None if printed is None else parsed_flops(printed),
        failure=row.get("failure", ""),
        suspect=row.get("suspect", ""),
    )


def _test(name: str, table: Mapping[str, Any], cells: tuple[PublishedCell, ...]) -> PublishedTest:
    fixed = table["fixed"]
    return PublishedTest(
        name=name,
        axes=tuple(axis for axis in _AXES if axis not in fixed),
        cells=tuple(_rows(name, fixed, cells)),
        rows=tuple(tuple(row) for row in table["rows"]),
    )


def _rows(name: str, fixed: Mapping[str, AxisValue], cells: tuple[PublishedCell, ...]) -> Iterator[PublishedCell]:
    yield from (cell for cell in cells if _has(cell, fixed))


def _has(cell: PublishedCell, axes: Mapping[str, AxisValue]) -> bool:
    return all(cell.axes[name] == value for name, value in axes.items())
