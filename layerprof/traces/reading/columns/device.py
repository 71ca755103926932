"""Columns of what happened on devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from layerprof.traces.base import DEVICE_CATEGORIES
from layerprof.traces.reading.base import NONE, UNLINKED, Activities, Event
from layerprof.traces.reading.columns.base import Reader, argument, column, is_int

if TYPE_CHECKING:
    from layerprof.attribute import IntArray


def activities_of(events: Sequence[Event], reader: Reader) -> Activities:
    """Kernels, copies and fills."""
    return Activities(
        **reader.slices(events),
        kind=column(DEVICE_CATEGORIES.index(event["cat"]) for event in events),
        device=_place(events, "device", "pid"),
        stream=_place(events, "stream", "tid"),
        correlation=argument(events, "correlation", otherwise=NONE),
        external=argument(events, "External id", "external id", otherwise=UNLINKED),
    )


def _place(events: Sequence[Event], name: str, key: str) -> IntArray:
    """A number from the arguments, or from the track that the event is on."""
    tracks = [event.get(key) for event in events]
    of_track = column(track if is_int(track) else 0 for track in tracks)
    found = argument(events, name, otherwise=NONE)
    return np.where(found == NONE, of_track, found)
