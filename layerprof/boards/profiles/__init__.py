"""A profile as the content of a run: scalars, texts, figures, a layout and its trace."""

from __future__ import annotations

from pathlib import Path

from layerprof.boards.base import Charts, Content, Point, Run, event_file, layout, remove_earlier_sweep, write_run
from layerprof.boards.profiles.numbers import layer_tags, profile_scalars
from layerprof.boards.profiles.pictures import profile_pictures
from layerprof.boards.profiles.texts import profile_texts
from layerprof.boards.profiles.traces import Tracer, ended_at_s, traced
from layerprof.records import Profile
from layerprof.store import why_no_timeline

LAYER_CHARTS: Charts = (
    ("time by layer (s)", ("layers/self_time_s", "layers/total_time_s")),
    ("device time by layer (s)", ("layers/device_self_time_s", "layers/device_total_time_s")),
    ("FLOPs by layer", ("layers/self_flops",)),
    ("bytes moved by layer", ("layers/self_bytes_moved",)),
    ("bytes at the step's peak by layer", ("layers/self_at_peak_bytes",)),
    ("energy by layer (J)", ("layers/self_energy_j",)),
    ("share of the roof by layer", ("layers/efficiency",)),
)
"""Charts of all tags of layers that belong together; the first ones are looked at first."""


def export_profile(profile: Profile, folder: Path, trace: Tracer, *, now_s: float) -> tuple[Path, ...]:
    """A profile as a run of its own, in the place of the run or the sweep that was exported there.

    Args:
        profile: of one model.
        folder: of the run.
        trace: makes the files of its timeline.
        now_s: the time of the export, seconds since 1970: that of the events where the profile has no timeline, since
            nothing else in it says when it was taken.
    """
    content = content_of(profile, trace)
    points = (*content.points, _layout(profile))
    events = event_file(points, wall_time_s=content.ended_at_s or now_s)
    files = write_run(Run(folder=folder, kind="profile", events=events, traces=content.traces))
    remove_earlier_sweep(folder)
    return files


def content_of(profile: Profile, trace: Tracer, *, is_brief: bool = False) -> Content:
    """Everything of a profile; a damaged timeline costs the trace alone, and the notes say so.

    Args:
        profile: of one model.
        trace: makes the files of its timeline.
        is_brief: leaves out the figures and the longest tables, as for each of a thousand cells.
    """
    pictures = () if is_brief else profile_pictures(profile)
    noted, traces = traced(profile, trace)
    return Content(
        points=(*profile_scalars(profile), *profile_texts(noted, is_brief=is_brief), *pictures),
        traces=traces,
        without_trace=why_no_timeline(noted),
        ended_at_s=ended_at_s(profile),
    )


def _layout(profile: Profile) -> Point:
    """The layout of a run that stands by itself."""
    known = set(layer_tags(profile))
    by_layer = [(title, [tag for tag in tags if tag in known]) for title, tags in LAYER_CHARTS]
    return layout(
        [
            ("step by step", [("time of each step (s)", ["samples/latency_s", "samples/step_s"])]),
            ("by layer", [(title, tags) for title, tags in by_layer if tags]),
        ]
    )


__all__ = ["LAYER_CHARTS", "Tracer", "content_of", "export_profile"]
