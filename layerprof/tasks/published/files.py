"""Data sets in a folder or file of this machine: Parquet files as the hub has them.

One folder may serve all data sets, with a folder or file of each one's name in it:

    data/ ─ textvqa/ ─ data/validation-00000-of-00003.parquet …
          ─ ScienceQA/ ─ manifest.json, samples.jsonl, pictures/      frozen samples, which are read as they are
          ─ coco.parquet

Of a folder with several splits or configurations, the files of those that the data set is asked in are read. A file's
split is told by its name or its folder's, as the hub's own loader takes it; files of another split alone are refused,
and those whose names tell nothing are taken as they are.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from layerprof.errors import InputError
from layerprof.tasks.published.base import Dataset, Origin, Table, one_line

_ENDING = ".parquet"
_KEY_LENGTH = 16
_ROWS_AT_ONCE = 64  # of pictures, some ten MB; a whole row group may be hundreds
_SPLIT_OF_WORD = {  # the words by which the hub's loader knows a split, but for those that may mean two of them
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetFiles:
    """Files that hold a data set.

    Attributes:
        paths: in order of their names.
        split: that the names tell; None where they tell none.
    """

    paths: tuple[Path, ...]
    split: str | None


def place_of(dataset: Dataset, source: Path) -> Path:
    """The folder or file in ``source`` that has the data set's name, whatever the case; else ``source`` itself.

    Raises:
        InputError: when there is no such folder or file, or it cannot be looked at.
    """
    try:
        if source.is_dir():
            names = sorted(source.iterdir())
            own = (path for path in names if path.name.casefold() in _names_of(dataset))
            return next(own, source)
        if source.is_file():
            return source
    except OSError as err:
        raise InputError(f"{source} could not be looked at ({err.strerror}); give another source") from err
    raise InputError(
        f"there is no folder or file {source} for {dataset.name}; the source is hub, hub@<revision>, sample, or a "
        f"folder or file of Parquet"
    )


def _names_of(dataset: Dataset) -> tuple[str, str]:
    name = dataset.name.casefold()
    return name, name + _ENDING


def has_parquet(place: Path) -> bool:
    """Whether the folder has a Parquet file somewhere in it."""
    return next(_below(place), None) is not None


def parquet_files(dataset: Dataset, place: Path) -> ParquetFiles:
    """The Parquet files that hold the data set in the split that it is asked in.

    Raises:
        InputError: when there is none, or the names tell of another split alone.
    """
    if place.is_file():
        return _of_split([place.absolute()], dataset, place.absolute().parent)
    found = sorted(path.absolute() for path in _below(place))
    if not found:
        raise InputError(
            f"{place} holds no Parquet files and no frozen samples of {dataset.name}; download "
            f"{dataset.homes[0].text} into it"
        )
    for home in dataset.homes:
        if home.config is not None:
            found = [path for path in found if home.config in path.parts] or found
    return _of_split(found, dataset, place.absolute())


def _below(place: Path) -> Iterator[Path]:
    """Files by the names that they have here: the hub's own cache links them to others that have none."""
    return (path for path in place.rglob(f"*{_ENDING}") if path.is_file())


def _of_split(found: Sequence[Path], dataset: Dataset, place: Path) -> ParquetFiles:
    wanted = dataset.homes[0].split
    split = _SPLIT_OF_WORD.get(wanted, wanted)
    splits = {path: _splits_told(path, place) for path in found}
    right = tuple(path for path in found if split in splits[path])
    others = sorted(set[str]().union(*splits.values()))
    if others and not right:
        raise InputError(
            f"{place} holds {dataset.name} in the split {', '.join(others)}, by the names of its Parquet files, and "
            f"{wanted} is the one that is asked; give files of that split, or rename them if they are of it"
        )
    return ParquetFiles(paths=right or tuple(found), split=wanted if right else None)


def _splits_told(path: Path, place: Path) -> set[str]:
    """The splits that a file's name has a word for; if none, those of the nearest folder within the place that has."""
    within = path.relative_to(place)
    told = ({_SPLIT_OF_WORD[word] for word in _words(name) & _SPLIT_OF_WORD.keys()} for name in reversed(within.parts))
    return next(filter(None, told), set())


def _words(name: str) -> set[str]:
    return set(re.split("[^a-z]+", name.casefold()))


def key_of(paths: Sequence[Path]) -> str:
    """A short text that is another one when a file is: by its place, size and time of the last change.

    Raises:
        InputError: when a file cannot be looked at.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            stat = path.stat()
        except OSError as err:
            raise InputError(f"{path} could not be looked at ({err.strerror}); give another source") from err
        digest.update(f"{path.resolve()}\n{stat.st_size}\n{stat.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:_KEY_LENGTH]


def read_parquet(files: ParquetFiles, dataset: Dataset, place: Path) -> Table:
    """The rows of the files in the data set's columns, read when they are asked for.

    The files are opened as they are: what a library may take as a pattern or as an address in their names is neither.

    Raises:
        InputError: when a file is no Parquet; in the midst of the rows, when one is damaged there.
    """
    origin = Origin(source=str(place), split=files.split)
    of_file = [_columns(path) for path in files.paths]
    columns = tuple(name for name in of_file[0] if all(name in others for others in of_file))
    read = [name for name in dataset.columns if name in columns]
    rows = itertools.chain.from_iterable(_rows(path, read) for path in files.paths)
    return Table(columns=columns, rows=rows, origin=origin)


def _columns(path: Path) -> tuple[str, ...]:
    from pyarrow import parquet

    try:
        with path.open("rb") as file:
            return tuple(parquet.ParquetFile(file).schema_arrow.names)
    except Exception as err:  # of the file format and the system, each with its own classes
        raise _damaged(path, err) from err


def _rows(path: Path, columns: Sequence[str]) -> Iterator[Mapping[str, object]]:
    from pyarrow import parquet

    try:
        with path.open("rb") as file:
            for batch in parquet.ParquetFile(file).iter_batches(batch_size=_ROWS_AT_ONCE, columns=list(columns)):
                yield from batch.to_pylist()
    except Exception as err:  # of the file format and the system, each with its own classes
        raise _damaged(path, err) from err


def _damaged(path: Path, err: Exception) -> InputError:
    return InputError(f"{path} could not be read as Parquet ({one_line(err)}); give one that is whole")
