"""Events in batches: what is made of columns at once is bounded, however long they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Event: TypeAlias = dict[str, object]
Batch: TypeAlias = list[Event]

BATCH_EVENTS = 4096


def batched(make: Callable[..., Event], *columns: NDArray[np.generic]) -> Iterator[Batch]:
    """Events of rows, a batch at a time.

    Args:
        make: gives the event of a row from the columns' values in it.
        columns: all of one length.
    """
    for first in range(0, len(columns[0]), BATCH_EVENTS):
        rows = slice(first, first + BATCH_EVENTS)
        yield list(map(make, *(column[rows].tolist() for column in columns)))
