"""The profile at a glance: latency, work, memory, energy, overhead, verdict, and where and of what it was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from layerprof.records import Bound, Distribution, Environment, Note, Profile, ProfileSpec, Quantities, typical
from layerprof.views.base import (
    ABOVE,
    Amount,
    Cell,
    Column,
    ColumnQuantity,
    Row,
    Table,
    ceilings_words,
    energy_lines,
    roof_readings,
)

_UNDER_PROFILER = "under_profiler"  # the code of the note on times that are those of a trace
_MODE_NOT_TOLD = "mode_not_in_trace"  # of the note that a trace tells gradients and no mode
_Line = tuple[str, Cell, str]  # what, how much, remark
_BOUND_WORDS: Mapping[Bound | None, str] = {
    "compute": "compute",
    "memory": "memory",
    "launch": "launches",
    "unknown": "what is not known",
    None: "what is not known",
}


def summary_table(profile: Profile) -> Table:
    """One row a fact: its name, its value, and how it was got."""
    lines = (
        *_model_lines(profile.spec, profile.notes),
        *_time_lines(profile),
        *_device_lines(profile),
        *_work_lines(profile),
        *_roof_lines(profile),
        *_memory_lines(profile),
        *energy_lines(profile),
        _checks_line(profile),
        *_part_lines(profile.spec),
        *_environment_lines(profile.environment),
    )
    return Table(
        title="Summary",
        columns=tuple(Column(name=name, align="left") for name in ("fact", "value", "remark")),
        rows=tuple(Row(cells=line, role="problem" if line[1] == "FAILED" else "body") for line in lines),
    )


def _model_lines(spec: ProfileSpec, notes: tuple[Note, ...]) -> Iterator[_Line]:
    is_told = not any(note.code == _MODE_NOT_TOLD for note in notes)
    mode, gradients = ("train mode, ", "with") if spec.train else ("eval mode, ", "without")
    how = f"{mode if is_told else ''}{gradients} gradients"
    yield "model", spec.model, ", ".join([spec.model_type, how, *(["compiled"] if spec.is_compiled else [])])
    if spec.method:
        yield "method", spec.method, "what one step calls"
    for name, description in spec.inputs:
        yield "input", description, name
    for name in spec.labels:
        yield name, spec.labels[name], "label"


def _time_lines(profile: Profile) -> Iterator[_Line]:
    yield _distribution_line("latency", profile.latency_s, "bare pass, no instrument", profile.notes)
    if profile.step_s is not None:
        is_read = any(note.code == _UNDER_PROFILER for note in profile.notes)
        how = "under the profiler that made the trace" if is_read else "time pass, with hooks"
        yield _distribution_line("step", profile.step_s, how, profile.notes)
    for overhead in profile.overhead:
        low, high = overhead.ci95 or (None, None)
        extra = Amount(
            value=overhead.ratio - 1.0,
            low=None if low is None else low - 1.0,
            high=None if high is None else high - 1.0,
            quantity="share",
        )
        yield f"overhead of {overhead.pass_name}", extra, "added to a step, against bare steps in turn with it"


def _device_lines(profile: Profile) -> Iterator[_Line]:
    """Sum, busy union and span, which are three numbers; means, so that span minus busy is the idle time."""
    busy_s, span_s = profile.device_busy_s, profile.device_span_s
    for name, value, meaning in (
        ("device total", profile.device_total_s, "sum of the durations of kernels, copies and fills: overlaps add up"),
        ("device busy", busy_s, "time in which anything ran: an overlap counts once"),
        ("device span", span_s, "from the first one's start to the last one's end"),
    ):
        if value is not None:
            yield name, _amount(typical(value, ()), "s"), f"{meaning}; mean of {value.n}"
    if busy_s is not None and span_s is not None:
        yield "device idle", _amount(typical(span_s, ()) - typical(busy_s, ()), "s"), "span minus busy: the gaps"


def _distribution_line(name: str, value: Distribution | None, how: str, notes: tuple[Note, ...]) -> _Line:
    if value is None:
        return name, None, _reason(notes, "latency_s")
    low, high = value.ci95 or (None, None)
    amount = Amount(value=value.median, low=low, high=high, quantity="s")
    return name, amount, f"{how}; median of {value.n}{' with its 95 % interval' if low is not None else ''}"


def _work_lines(profile: Profile) -> Iterator[_Line]:
    flops = profile.step_flops
    if flops is None:
        yield "FLOPs", None, _reason(profile.notes, "flops")
    else:
        yield "FLOPs", _amount(flops, "flops"), f"of one step; uncounted ops: {len(profile.uncounted)}"
        yield from _rate_lines(flops, profile.latency_s)
    if profile.root.param_count is not None:
        yield "parameters", _amount(profile.root.param_count, "count"), ""
    if profile.root.param_bytes is not None:
        yield "parameter memory", _amount(profile.root.param_bytes, "bytes"), ""


def _rate_lines(flops: int, latency_s: Distribution | None) -> Iterator[_Line]:
    if latency_s is not None and latency_s.median > 0:
        yield "throughput", _amount(flops / latency_s.median, "flops_per_s"), "FLOPs over the bare latency"


def _roof_lines(profile: Profile) -> Iterator[_Line]:
    """The step's place under the roofline, and the roof."""
    step = row_of_step(profile)
    if step.bytes_moved is not None:
        yield "bytes moved", _amount(step.bytes_moved, "bytes"), "least traffic: distinct inputs, weights, outputs"
    if step.intensity is not None:
        yield "intensity", _amount(step.intensity, "flops_per_byte"), "FLOPs for each byte moved"
    efficiency = roof_readings(profile)["efficiency"].over([step])
    if efficiency == ABOVE:
        yield "efficiency", ABOVE, "no result: above the ceilings; see the notes"
    elif isinstance(efficiency, float):
        yield "efficiency", _amount(efficiency, "share"), f"of the roof; bound by {_BOUND_WORDS[step.bound]}"
    yield from ceilings_words(profile)


def row_of_step(profile: Profile) -> Quantities:
    """What has the place of the step: the root, or its one phase where only layers below the root are called.

    Of several phases that a root is not around, no row has the place of all; work and traffic still add up.
    """
    root = profile.root
    if root.calls or root.bytes_moved is None:
        return root
    bytes_moved = sum(layer.self_bytes_moved or 0 for layer in profile.layers) + (profile.unattributed_bytes_moved or 0)
    if len(profile.phases) == 1:
        return replace(profile.phases[0], bytes_moved=bytes_moved)
    flops = profile.step_flops
    intensity = flops / bytes_moved if flops is not None and bytes_moved else None
    return replace(root, bytes_moved=bytes_moved, intensity=intensity, efficiency=None, bound=None)


def _memory_lines(profile: Profile) -> Iterator[_Line]:
    memory = profile.memory
    if memory is None:
        yield "peak memory", None, _reason(profile.notes, "peak_bytes", "memory")
        return
    yield "peak memory", _amount(memory.peak_bytes, "bytes"), f"on {memory.device}: baseline and the step's peak"
    yield "baseline memory", _amount(memory.baseline_bytes, "bytes"), "alive before the step"
    yield "step's peak", _amount(memory.step_peak_bytes, "bytes"), "beyond the baseline"


def _checks_line(profile: Profile) -> _Line:
    failed = [check.name for check in profile.checks if not check.ok]
    if failed:
        return "checks", "FAILED", ", ".join(failed)
    if not profile.checks:
        return "checks", None, "none were made"
    return "checks", "all hold", f"invariants checked: {len(profile.checks)}"


def _part_lines(spec: ProfileSpec) -> Iterator[_Line]:
    for part in spec.parts:
        attention = f"attention {part.attention}" if part.attention else "no attention setting"
        yield f"part {part.name}", part.dtype, f"{attention}, on {part.device}, at {part.path or 'the root'}"


def _environment_lines(environment: Environment) -> Iterator[_Line]:
    versions = [
        f"{name} {version}"
        for name, version in (
            ("layerprof", environment.layerprof),
            ("torch", environment.torch),
            ("transformers", environment.transformers),
            ("Python", environment.python),
        )
        if version is not None
    ]
    counts = ((environment.cores, "cores"), (environment.threads, "threads"))
    yield "device", environment.device, ""
    yield "processor", environment.cpu, ", ".join(f"{count} {of}" for count, of in counts if count is not None)
    if environment.memory_bytes is not None:
        yield "machine memory", _amount(environment.memory_bytes, "bytes"), environment.platform
    yield "software", ", ".join(versions), environment.platform if environment.memory_bytes is None else ""
    if environment.flags:
        yield "flags", ", ".join(f"{name}={environment.flags[name]}" for name in environment.flags), ""


def _amount(value: float, quantity: ColumnQuantity) -> Amount:
    return Amount(value=value, quantity=quantity)


def _reason(notes: tuple[Note, ...], *quantities: str) -> str:
    """The first note about one of the quantities; a plain sentence where there is none."""
    return next((note.text for note in notes if note.quantity in quantities), "not measured")
