"""Streams of the datasets library as tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

from layerprof.tasks.published.base.base import Origin, Table

if TYPE_CHECKING:
    from datasets import IterableDataset

_MOST_LETTERS = 160  # of another library's message


def streamed(stream: IterableDataset, origin: Origin) -> Table:
    """A table of the stream's rows, with the pictures' bytes as they are stored and not decoded.

    Where the stream does not know its columns, its first row tells them.
    """
    from datasets import Image

    if stream.features is None:
        rows = iter(cast("Iterable[Mapping[str, object]]", stream))
        first = list(itertools.islice(rows, 1))
        columns = tuple(first[0]) if first else ()
        return Table(columns=columns, rows=itertools.chain(first, rows), origin=origin)
    for name, feature in stream.features.items():
        if isinstance(feature, Image):
            stream = stream.cast_column(name, Image(decode=False))
    return Table(columns=tuple(stream.features), rows=cast("Iterable[Mapping[str, object]]", stream), origin=origin)


def one_line(err: BaseException) -> str:
    """Another library's error in one short line: its class and the first line of its text."""
    lines = str(err).strip().splitlines()
    return f"{type(err).__name__}: {lines[0][:_MOST_LETTERS]}" if lines else type(err).__name__
