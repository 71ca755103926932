"""A profile's trace as files: the plugin's copy, and beside it the untouched twin for Perfetto."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from layerprof.boards.base import file_name
from layerprof.errors import RecordError
from layerprof.records import Profile
from layerprof.store import with_no_timeline

Tracer = Callable[[Profile, bool], bytes]
"""A profile, and whether the copy is the plugin's, to a whole file."""

_REMARK = " ("  # behind it a label says where the weights came from
_NS_PER_S = 1e9


def traced(profile: Profile, trace: Tracer) -> tuple[Profile, Mapping[str, bytes]]:
    """The profile and both files; where its timeline is damaged, without these and with a note that says so."""
    try:
        return profile, trace_files(profile, trace)
    except RecordError as error:
        return with_no_timeline(profile, error), {}


def trace_files(profile: Profile, trace: Tracer) -> Mapping[str, bytes]:
    """Both files by name, which begins with the model's label; nothing where the profile has no timeline."""
    start_ns = _edge(profile, "start_ns", first=True)
    if start_ns is None:
        return {}
    model = profile.spec.model
    stem = f"{file_name(model.partition(_REMARK)[0] or model)}.{start_ns}"
    return {f"{stem}.pt.trace.json.gz": trace(profile, True), f"{stem}.trace.json.gz": trace(profile, False)}


def ended_at_s(profile: Profile) -> float | None:
    """When the last recorded step ended, seconds since 1970; None where the profile has no timeline."""
    end_ns = _edge(profile, "end_ns", first=False)
    return None if end_ns is None else end_ns / _NS_PER_S


def _edge(profile: Profile, column: str, *, first: bool) -> int | None:
    if profile.timeline is None:
        return None
    times_ns = profile.timeline.steps.get(column)
    return int(times_ns[0 if first else -1]) if times_ns is not None and len(times_ns) else None
