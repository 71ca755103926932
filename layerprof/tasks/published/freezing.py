"""Rows of a source turned into samples with local pictures, whole or not there.

    rows ─ picture decoded ─ pictures/<sha256>.jpg ─ line of samples.jsonl ─ … ─ samples.jsonl, then manifest.json

The manifest comes last: a folder without one, or with one that does not fit, counts as none. Pictures are named by
their content, so more samples of the same source are added to the same folder while others read it.

A folder with enough samples is read without a look at the source; one with too few is filled again from the source that
its manifest names. One that was damaged gets back as many as it had.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from layerprof.errors import InputError, RecordError
from layerprof.records import Sample
from layerprof.store.files import write_files
from layerprof.tasks.base import require_count
from layerprof.tasks.published.base import (
    MANIFEST,
    Dataset,
    Manifest,
    Picture,
    Row,
    Table,
    Tells,
    alone_in,
    picture_bytes,
    read_manifest,
    read_samples,
    readable_picture,
    require_columns,
)
from layerprof.tasks.published.base.kept import PICTURES, SAMPLES, line_of

OpensTable = Callable[[Manifest | None], Table]
"""Gives the rows of a source; where samples of it were frozen before, of the one that their manifest names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A sample with its picture.

    Attributes:
        sample: as it is read back.
        picture: that was written.
        left_out: rows without a picture before it.
    """

    sample: Sample
    picture: Picture
    left_out: int


def frozen_samples(
    folder: Path, dataset: Dataset, *, count: int, open_table: OpensTable, tell: Tells
) -> tuple[Sample, ...]:
    """The first ``count`` samples from the folder, which is filled from the source where it has fewer, or is damaged.

    Raises:
        InputError: when there are fewer, a row cannot be used, or the folder cannot be written.
        UnavailableError: when the source is needed and is not to be had, or another process is filling the folder and
            does not come to an end.
    """
    found = _kept(folder, dataset, count)
    if found is None:
        with alone_in(folder, tell=lambda: tell(0, count)):
            found = _kept(folder, dataset, count)  # another process may have filled it meanwhile
            if found is None:
                known = _manifest(folder)
                wanted = max(count, _known_count(known))
                tell(0, wanted)  # before the source is opened, which may take its time
                manifest = freeze(open_table(known), dataset, count=wanted, folder=folder, tell=tell)
                require_count(count, limit=manifest.count, name=dataset.name)
                found = read_samples(folder, manifest, count)
    return found


def _known_count(known: Manifest | None) -> int:
    """How many to ask for to have all that were there; one more where these were all, so that this is found again."""
    return 0 if known is None else known.count + known.is_whole


def _kept(folder: Path, dataset: Dataset, count: int) -> tuple[Sample, ...] | None:
    manifest = _manifest(folder)
    if manifest is None:
        return None
    if manifest.is_whole:
        require_count(count, limit=manifest.count, name=dataset.name)
    try:
        return read_samples(folder, manifest, count) if manifest.count >= count else None
    except RecordError:
        return None


def _manifest(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except (InputError, RecordError):
        return None


def freeze(table: Table, dataset: Dataset, *, count: int, folder: Path, tell: Tells) -> Manifest:
    """Writes the table's first ``count`` samples into the folder, or all where there are fewer.

    Args:
        table: of the data set's rows.
        dataset: that it is of.
        count: of samples.
        folder: where they are kept.
        tell: is called with each picture that was written, and each row that was left out.

    Raises:
        InputError: when columns are missing, a row cannot be used, or the folder cannot be written.
        UnavailableError: when the source breaks off.
    """
    require_columns(table, dataset.columns, dataset=dataset.name)
    found: list[_Found] = []
    for each in _samples(table, dataset, folder / PICTURES, lambda done: tell(done, count)):
        found.append(each)
        if len(found) == count:
            break
    _require_distinct([each.sample for each in found])
    lines = b"".join(line_of(each.sample, each.picture) for each in found)
    manifest = Manifest(
        dataset=dataset.name,
        origin=table.origin,
        count=len(found),
        left_out=found[-1].left_out if found else 0,
        is_whole=len(found) < count,
        sha256=hashlib.sha256(lines).hexdigest(),
    )
    write_files({folder / SAMPLES: lines, folder / MANIFEST: manifest.to_bytes()})
    return manifest


def _samples(table: Table, dataset: Dataset, pictures: Path, tell: Callable[[int], None]) -> Iterator[_Found]:
    left_out = 0
    for number, values in enumerate(table.rows):
        row = Row(values=values, number=number, dataset=dataset.name)
        content = picture_bytes(row, dataset.image_column)
        if content is None and dataset.has_rows_without_picture:
            left_out += 1
            tell(number + 1 - left_out)
            continue
        if content is None:
            raise InputError(f"{row.label} has no picture; give it one or leave the row out")
        picture = _written(content, row, pictures)
        tell(number + 1 - left_out)
        yield _Found(sample=dataset.to_sample(row, picture), picture=picture, left_out=left_out)


def _written(content: bytes, row: Row, pictures: Path) -> Picture:
    content, ending = readable_picture(content, row)
    digest = hashlib.sha256(content).hexdigest()
    path = pictures / f"{digest}.{ending}"
    if not path.is_file() or path.read_bytes() != content:  # it may have been damaged since
        write_files({path: content})
    return Picture(path=str(path), sha256=digest)


def _require_distinct(samples: list[Sample]) -> None:
    seen: set[str] = set()
    for sample in samples:
        if sample.id in seen:
            raise InputError(f"the sample {sample.id!r} comes twice; leave one of the rows out")
        seen.add(sample.id)
