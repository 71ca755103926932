"""Sources of the published data sets for tests: rows by hand, a hub without a network, and Parquet files."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import datasets
from PIL import Image

from layerprof.tasks import PublishedTask
from layerprof.tasks.base import Triple
from layerprof.tasks.published import PUBLISHED, Home, Table, Tells, nothing_told
from layerprof.tasks.published.base import Origin

ROWS = 12  # of each table made here
Values = dict[str, object]


def picture(number: int, *, kind: str = "PNG", size: int = 8) -> bytes:
    """A picture's bytes; another number is another picture."""
    content = io.BytesIO()
    Image.new("RGB", (size, size), (number * 20 % 256, 99, 7)).save(content, format=kind)
    return content.getvalue()


def textvqa_row(number: int) -> Values:
    return {
        "image": {"bytes": picture(number, kind="JPEG"), "path": None},
        "question": f"what does sign {number} say?",
        "answers": [f"stop {number}", "halt", *["stop"] * 8],
        "question_id": 34_600 + number,
        "image_id": f"picture{number // 2}",
    }


def scienceqa_row(number: int) -> Values:
    return {
        "image": {"bytes": picture(number), "path": None},
        "question": f"Which is heavier than {number} kg?",
        "choices": ["a feather", "a whale", "a leaf"],
        "answer": 1,
        "hint": "" if number % 2 else "Weight is a force.",
    }


def coco_row(number: int) -> Values:
    return {
        "image": {"bytes": picture(number, kind="JPEG"), "path": None},
        "answer": [f"{word} dogs in the snow, {number}" for word in ("two", "some", "three", "many", "brown")],
        "question_id": f"{number:012d}.jpg",
    }


MAKES_ROW = {"TextVQA": textvqa_row, "ScienceQA": scienceqa_row, "COCO": coco_row}


def rows_of(dataset: str, *, count: int = ROWS) -> list[Values]:
    return [MAKES_ROW[dataset](number) for number in range(count)]


@dataclass(kw_only=True)
class FakeHub:
    """A hub that has some homes, and tells how far its rows were read.

    Attributes:
        rows: by alias.
        is_reachable: a hub that is not answers no question.
        breaks_after: rows, if not None, after which the transport fails.
        asked: homes in the order in which they were asked for.
        given: rows that were read.
    """

    rows: Mapping[str, Sequence[Values]]
    is_reachable: bool = True
    breaks_after: int | None = None
    asked: list[Home] = field(default_factory=list)
    given: int = 0

    def __call__(self, home: Home) -> Table:
        self.asked.append(home)
        if not self.is_reachable:
            raise ConnectionError("no route to host")
        if home.alias not in self.rows:
            raise LookupError("404 Not Found")
        rows = self.rows[home.alias]
        origin = Origin(
            source=home.alias, config=home.config, split=home.split, revision=home.revision or f"newest-of-{home.alias}"
        )
        return Table(columns=tuple(rows[0]), rows=self._stream(rows), origin=origin)

    def _stream(self, rows: Sequence[Values]) -> Iterator[Values]:
        for number, row in enumerate(rows):
            if number == self.breaks_after:
                raise OSError("connection reset by peer")
            self.given += 1
            yield row


UNREACHABLE = FakeHub(rows={}, is_reachable=False)


def hub_with(dataset: str, rows: Sequence[Values] | None = None, *, home: int = 0) -> FakeHub:
    """A hub that has the data set in its first home, or another."""
    return FakeHub(rows={PUBLISHED[dataset].homes[home].alias: rows_of(dataset) if rows is None else rows})


def no_triples() -> tuple[Triple, ...]:
    raise AssertionError("easy-VQA was read")


def task_of(
    dataset: str, *, source: str, cache: Path, hub: FakeHub | None = None, tell: Tells = nothing_told
) -> PublishedTask:
    """The data set from a source, frozen in a folder of the test's own."""
    return PublishedTask(
        dataset=PUBLISHED[dataset],
        source=source,
        read_easy_vqa=no_triples,
        easy_vqa_origin="no easy-VQA",
        read_hub=hub or FakeHub(rows={}, is_reachable=False),
        cache=lambda: cache,
        tell=tell,
    )


def write_parquet(rows: Sequence[Values], path: Path, *, has_image_feature: bool = False) -> Path:
    """The rows as the library writes them, the picture as an Image feature or as a plain struct of bytes and path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    table = datasets.Dataset.from_dict(columns)
    if has_image_feature:
        table = table.cast_column("image", datasets.Image())
    content = io.BytesIO()
    table.to_parquet(content)
    path.write_bytes(content.getvalue())  # the library itself takes some names for patterns or addresses
    return path
