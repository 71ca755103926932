"""All that the events of one trace are made from, worked out once."""

from __future__ import annotations

from dataclasses import dataclass

from layerprof.errors import InputError
from layerprof.records import Profile
from layerprof.texts import inert
from layerprof.traces.base import STEP_PREFIX
from layerprof.traces.writing.base.base import (
    Clock,
    HostSpans,
    Launches,
    LaunchOps,
    Tables,
    clock_of,
    host_spans,
    launch_ops,
    launches_of,
    tables_of,
)

NAMELESS = "(no name)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A profile's timeline, ready to be written.

    Attributes:
        profile: it is of.
        tables: of its timeline.
        for_plugin: whether the file is TensorBoard's copy.
        clock: of the trace.
        launches: of device work.
        launch_ops: the ids of ops that launches are linked to.
        host: spans on the host's threads.
        names: the timeline's strings, harmless.
        layer_names: of the profile's layers; the root's is its type.
        phase_names: of the profile's phases.
        devices: that did something.
    """

    profile: Profile
    tables: Tables
    for_plugin: bool
    clock: Clock
    launches: Launches
    launch_ops: LaunchOps
    host: HostSpans
    names: tuple[str, ...]
    layer_names: tuple[str, ...]
    phase_names: tuple[str, ...]
    devices: tuple[int, ...]


def scene_of(profile: Profile, *, for_plugin: bool) -> Scene:
    """The scene of a profile.

    Raises:
        InputError: where the profile has no timeline.
        RecordError: where its timeline is damaged or of another profile.
    """
    if profile.timeline is None:
        raise InputError(
            "the profile has no timeline to make a trace of; profile with 'ops' among its passes, and keep the "
            ".timeline.npz beside a stored profile"
        )
    tables = tables_of(profile.timeline, profile)
    launches = launches_of(tables)
    return Scene(
        profile=profile,
        tables=tables,
        for_plugin=for_plugin,
        clock=clock_of(tables),
        launches=launches,
        launch_ops=launch_ops(tables, launches, for_plugin=for_plugin),
        host=host_spans(tables, launches),
        names=tuple(map(_event_name, tables.strings)),
        layer_names=tuple(inert(layer.path or layer.type_name) or NAMELESS for layer in profile.layers),
        phase_names=tuple(inert(phase.name) or NAMELESS for phase in profile.phases),
        devices=tuple(sorted(set(tables.kernels["device"].tolist()))),
    )


def _event_name(text: str) -> str:
    """Harmless; and no name of another's can be taken for that of a step, which readers parse."""
    name = inert(text) or NAMELESS
    return f"({name})" if name.startswith(STEP_PREFIX) else name
