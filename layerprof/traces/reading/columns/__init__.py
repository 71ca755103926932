"""From a trace's events to columns; what has no name, time or length that can be believed is counted and left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from layerprof.traces.reading.base import Content, Event, Events, Slices
from layerprof.traces.reading.columns.base import Numbers, Reader, Threads, base_ns_of
from layerprof.traces.reading.columns.device import activities_of
from layerprof.traces.reading.columns.host import frames_of, memory_of, ops_of, runtime_of

__all__ = ["read_events"]

_NO_TENSOR = ()


def read_events(content: Content, tables: Mapping[str, Sequence[Event]], *, left_out: int) -> Events:
    """The events that attribution can use, as columns.

    Args:
        content: of the file, for what its times are counted from.
        tables: the usable events of each table, by start.
        left_out: how many events are not usable.
    """
    texts, shapes, threads = Numbers(), Numbers(), Threads()
    shapes[_NO_TENSOR]  # position 0: what has no shapes
    reader = Reader(base_ns=base_ns_of(content), texts=texts, threads=threads)
    return Events(
        ops=ops_of(tables["ops"], reader, shapes),
        frames=frames_of(tables["frames"], reader),
        runtime=runtime_of(tables["runtime"], reader),
        activities=activities_of(tables["activities"], reader),
        memory=memory_of(tables["memory"], reader),
        phases=Slices(**reader.slices(tables["phases"])),
        strings=tuple(map(_encodable, texts)),
        shapes=tuple(shapes),
        left_out=left_out,
    )


def _encodable(text: str) -> str:
    """The text, without the halves of surrogate pairs that no file can hold."""
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")
