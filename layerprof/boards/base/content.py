"""What a profile brings to a run, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from layerprof.boards.base.base import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Points and files of a profile.

    Attributes:
        points: scalars, texts and pictures.
        traces: files by name.
        without_trace: why there is no trace though there should be one; None where nothing is wrong.
        ended_at_s: when the profile was taken, seconds since 1970; None where it has no timeline.
    """

    points: tuple[Point, ...]
    traces: Mapping[str, bytes] = field(default_factory=dict)
    without_trace: str | None = None
    ended_at_s: float | None = None
