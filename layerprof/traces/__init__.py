"""Traces in the Trace Event Format, for Perfetto, chrome://tracing and TensorBoard: written from profiles, and read.

profile.timeline ─ writing ─▶ x.json.gz            for Perfetto, in torch's own categories
                           └▶ x.pt.trace.json.gz   for TensorBoard, in the categories that its plugin knows
a trace of torch.profiler's ─ reading ─▶ Profile
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from layerprof.errors import InputError, RecordError
from layerprof.records import CellRecord, Profile
from layerprof.traces.base import SUFFIXES, is_for_plugin, usable_path

if TYPE_CHECKING:
    from layerprof.traces.reading import is_trace, load_trace

__all__ = ["export_trace", "is_trace", "load_trace", "trace_json"]


def export_trace(profile: Profile | CellRecord, path: str | Path) -> Path:
    """Writes the timeline of a profile as a trace: layers, ops, kernels, phases, counters and the arrows between them.

    A name that ends in ``.pt.trace.json`` or ``.pt.trace.json.gz`` is TensorBoard's copy, in which its plugin's Module
    view has the layers' paths and its device times are right. Any other ``.json`` or ``.json.gz`` has torch's own
    categories, for Perfetto and other readers; drag it onto ui.perfetto.dev or open it in chrome://tracing.

    Args:
        profile: with a timeline, or a sweep's cell that has such a profile.
        path: of the file to write; folders that are not there are made. The same profile gives the same bytes.

    Returns:
        The path.

    Raises:
        InputError: where there is no timeline, the name has another suffix, or the place cannot be written.
        RecordError: where the timeline is damaged or of another profile.
    """
    from layerprof.store.files import write_files
    from layerprof.traces.writing import gzipped, pieces

    target = _target(path)
    parts = pieces(_profile_of(profile), for_plugin=is_for_plugin(target.name))
    write_files({target: gzipped(parts) if target.name.endswith(".gz") else b"".join(parts)})
    return target


def trace_json(profile: Profile, *, for_plugin: bool) -> bytes:
    """A trace file's whole content, gzipped.

    Args:
        profile: with a timeline.
        for_plugin: whether it is TensorBoard's copy.

    Raises:
        InputError: where the profile has no timeline.
        RecordError: where its timeline is damaged or of another profile.
    """
    from layerprof.traces.writing import gzipped, pieces

    return gzipped(pieces(profile, for_plugin=for_plugin))


def _target(path: str | Path) -> Path:
    target = usable_path(path)
    if not target.name.endswith(SUFFIXES):
        raise InputError(
            f"a trace's name ends in .json or .json.gz (for TensorBoard .pt.trace.json.gz); found {target.name!r}"
        )
    return target


def _profile_of(record: Profile | CellRecord) -> Profile:
    if isinstance(record, Profile):
        return record
    if not isinstance(record, CellRecord):
        raise InputError(f"a trace is made of a profile or of a sweep's cell; found {type(record).__name__}")
    from layerprof.store import why_no_timeline

    profile = record.profile
    if profile is None:
        raise InputError(
            f"cell {record.id} has no profile to make a trace of (it is {record.status}); run the sweep with --trace"
        )
    reason = why_no_timeline(profile)
    if reason is not None:
        raise RecordError(f"no trace of cell {record.id}: {reason}")
    return profile


def __getattr__(name: str) -> object:
    if name in ("is_trace", "load_trace"):
        from layerprof.traces import reading

        return getattr(reading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
