"""The one event file of a run."""

from __future__ import annotations

from collections.abc import Iterable

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from layerprof.boards.base.base import Point, framed

_VERSION = "brain.Event:2"  # of the format of event files


def event_file(points: Iterable[Point], *, wall_time_s: float) -> bytes:
    """A whole event file; the same points give the same bytes.

    Args:
        points: in any order; what is at one step becomes one event, and steps ascend.
        wall_time_s: seconds since 1970 that stand in every event.
    """
    by_step: dict[int, list[Summary.Value]] = {}
    for step, value in points:
        by_step.setdefault(step, []).append(value)
    version = Event(wall_time=wall_time_s, file_version=_VERSION)
    events = (version, *(_event(step, by_step[step], wall_time_s) for step in sorted(by_step)))
    return framed(event.SerializeToString(deterministic=True) for event in events)


def _event(step: int, values: list[Summary.Value], wall_time_s: float) -> Event:
    event = Event(wall_time=wall_time_s, step=step)
    event.summary.value.extend(values)
    return event
