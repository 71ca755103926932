"""What a trace tells of the model and the machine, and what it cannot tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from layerprof.records import Environment, FrozenMapping, Note, Profile
from layerprof.traces.base import HEADER_KEY
from layerprof.traces.reading.base import UNKNOWN, Calls, Content, Events, Json, Steps

_FLAGS = ("with_stack", "with_modules", "record_shapes", "profile_memory", "with_flops")
_VERSIONS = ("cuda_runtime_version", "cuda_driver_version", "hip_runtime_version", "hip_driver_version")
_TEXTS = ("layerprof", "python", "torch", "transformers", "platform", "cpu", "device")
_COUNTS = ("cores", "threads", "memory_bytes")
_MAY_BE_ABSENT = ("torch", "transformers", "cores", "threads", "memory_bytes")
_SUFFIXES = (".gz", ".json", ".trace", ".pt")
_NOT_IN_TRACE = "not_in_trace"
_CODES = ("pass_not_asked", "no_bare_steps")
_BARE = "a trace holds no step without a profiler; lp.profile measures it"
_OTHER = "layerprof does not read it from a trace; lp.profile measures it"
_NO_DEVICE = "the trace holds no kernel, copy or fill of a device; its time is host time"
_NO_HOST = "the trace holds work of devices alone, nothing of the host; record it with ProfilerActivity.CPU as well"
_HOST_TIMES = ("total_s", "self_s", "concurrent_s", "step_s", "unattributed_s")
_PARAMETERS = "a trace does not tell parameters, and only layerprof's own those of layers; lp.profile counts them"
_MODE = (
    "the trace does not tell train mode from eval mode; what is said of it goes by whether autograd numbered ops of "
    "the steps, which it {did}"
)
_ROOT_ALONE = (
    "the trace has no calls of modules, so that each step counts as one call of the root; record it again with "
    "torch.profiler.profile(..., with_stack=True), or use lp.profile"
)


def environment_of(content: Content, head: Content | None, events: Events) -> Environment:
    """Where the trace was recorded, as far as it is told."""
    device = _device_of(content) if events.activities.name.size else "cpu"
    known = Environment(
        layerprof=UNKNOWN,
        python=UNKNOWN,
        torch=UNKNOWN,
        transformers=UNKNOWN,
        platform=UNKNOWN,
        cpu=UNKNOWN,
        cores=None,
        threads=None,
        memory_bytes=None,
        device=device,
        flags=_flags(content),
    )
    told = head.get("environment") if head else None
    return _with_told(known, told) if isinstance(told, dict) else known


def model_of(head: Content | None, source: Path) -> str:
    """The model's label, or the file's name."""
    told = head.get("model") if head else None
    if isinstance(told, str) and told:
        return told
    name = source.name
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name or source.name


def train_of(head: Content | None, events: Events) -> bool:
    """Whether the model was trained: as layerprof wrote, else whether autograd followed any op of the steps."""
    told = _told_train(head)
    return _has_gradients(events) if told is None else told


def notes_on_trace(
    content: Content, head: Content | None, events: Events, calls: Calls, steps: Steps
) -> Iterator[Note]:
    """What weakens the numbers of a trace."""
    flags = ", ".join(name for name in _FLAGS if content.get(name)) or "no options"
    who = "layerprof's ops pass" if HEADER_KEY in content else f"the profiler that made the trace ({flags})"
    if steps.is_on_host:
        text = f"the times are those under {who}, which lengthens the host's"
        yield Note(code="under_profiler", quantity="total_s", scope="*", text=text)
    for quantity in ("param_count", "param_bytes"):
        yield Note(code=_NOT_IN_TRACE, quantity=quantity, scope="*", text=_PARAMETERS)
    if _told_train(head) is None:
        text = _MODE.format(did="did" if _has_gradients(events) else "did not")
        yield Note(code="mode_not_in_trace", quantity="train", scope="*", text=text)
    if steps.is_whole:
        text = "the trace marks no steps (profiler.step()), so that all of it is one"
        text += ", on the thread with the most ops" if steps.is_on_host else ""
        quantity = "step_s" if steps.is_on_host else "device_total_s"
        yield Note(code="no_steps", quantity=quantity, scope="step", text=text)
    if calls.is_root_alone:
        yield Note(code="no_modules", quantity="calls", scope="*", text=_ROOT_ALONE)
    if calls.mended:
        text = f"{calls.mended} calls reached past what they lie in or into the next one, and were cut off there"
        yield Note(code="clipped_calls", quantity="total_s", scope="step", text=text)
    if events.left_out:
        text = f"{events.left_out} events have no name, time or length that can be believed, and are left out"
        yield Note(code="damaged_events", quantity="ops", scope="step", text=text)


def with_reasons(profile: Profile) -> Profile:
    """The profile whose notes on what is missing say that a trace does not tell it, not which pass to ask for."""
    return replace(profile, notes=tuple(map(_reasoned, profile.notes)))


def _reasoned(note: Note) -> Note:
    if note.code == "no_device":
        return replace(note, text=_NO_DEVICE)
    if note.code not in _CODES:
        return note
    reason = _NO_HOST if note.quantity in _HOST_TIMES else _OTHER
    return replace(note, code=_NOT_IN_TRACE, text=_BARE if note.code == "no_bare_steps" else reason)


def _told_train(head: Content | None) -> bool | None:
    told: Json = head.get("train") if head else None
    return told if isinstance(told, bool) else None


def _has_gradients(events: Events) -> bool:
    """Whether the engine evaluated a node in the steps, or an op had the number of a node to come."""
    return bool(events.ops.is_engine.any() or (events.ops.sequence >= 0).any())


def _device_of(content: Content) -> str:
    """The name of the first device, where the trace tells one."""
    devices = content.get("deviceProperties")
    for device in devices if isinstance(devices, list) else ():
        if isinstance(device, dict) and isinstance(device.get("name"), str):
            return str(device["name"])
    return "unknown device"


def _with_told(known: Environment, told: Mapping[str, Json]) -> Environment:
    """The environment with what layerprof wrote into the trace, as far as it is of the right type."""
    found: dict[str, Json] = {name: told[name] for name in _TEXTS if isinstance(told.get(name), str)}
    found |= {name: told[name] for name in _COUNTS if type(told.get(name)) is int}
    found |= {name: None for name in _MAY_BE_ABSENT if name in told and told[name] is None}
    flags = told.get("flags")
    if isinstance(flags, dict) and all(isinstance(text, str) for text in flags.values()):
        found["flags"] = FrozenMapping(flags)
    return replace(known, **found)


def _flags(content: Content) -> FrozenMapping[str]:
    """What the head of the file tells of the profiler's options and the libraries."""
    told = {name: content.get(name) for name in (*_FLAGS, *_VERSIONS)}
    return FrozenMapping({name: str(value) for name, value in told.items() if isinstance(value, str | int)})
