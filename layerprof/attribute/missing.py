"""The notes that say why a quantity is None: one for each (quantity, scope)."""

from __future__ import annotations

from collections.abc import Iterator

from layerprof.attribute.base import RawTrace
from layerprof.records import Note

_OF_BYTES = (
    "bytes_moved",
    "self_bytes_moved",
    "launches",
    "flops_per_s",
    "bytes_per_s",
    "intensity",
    "least_s",
    "bound",
    "efficiency",
)
_QUANTITIES_BY_PASS = {
    "time": ("total_s", "self_s", "concurrent_s"),
    "flops": (
        "flops",
        "self_flops",
        "causal_flops",
        "flops_by_dtype",
        *_OF_BYTES,
    ),
    "memory": ("output_bytes", "allocated_bytes", "peak_bytes", "at_peak_bytes", "self_at_peak_bytes"),
}
_RECORD_QUANTITIES_BY_PASS = {
    "time": ("step_s", "unattributed_s"),
    "flops": ("unattributed_flops", "unattributed_bytes_moved"),
    "memory": ("memory",),
}
_DEVICE_QUANTITIES = ("device_total_s", "device_self_s", "device_busy_s", "device_span_s", "device_idle_s")
_DEVICE_QUANTITIES_OF_RECORD = ("unattributed_device_s", "device_total_s", "device_busy_s", "device_span_s")
_NO_DEVICE = "the model is on the CPU, which has no kernels of a device; its time is host time"
_OTHER_DEVICE = "kernels are recorded on CUDA alone; of this device there is host time"
_RATES = ("flops_per_s", "bytes_per_s", "efficiency")  # of work over time
_ENERGIES, _ENERGIES_OF_RECORD = ("energy", "self_energy"), ("energy", "unattributed_energy")


def notes_on_missing(raw: RawTrace) -> Iterator[Note]:
    """A note for every quantity that this measurement does not hold."""
    ran = {"time": raw.time, "flops": raw.flops, "memory": raw.memory}
    for name, measured in ran.items():
        if measured is None:
            yield from _notes_on_pass(name, raw)
    yield from _notes_on_ops(raw)
    yield from _notes_on_bytes(raw)
    if not any((raw.time, raw.ops, raw.flops, raw.memory)):
        yield Note(code="no_pass", quantity="calls", scope="*", text="no pass that sees calls was run; calls are 0")
        yield Note(code="no_pass", quantity="call_tree", scope="step", text="no pass that sees calls was run")
    if not raw.bare_ns:
        yield Note(
            code="no_bare_steps", quantity="latency_s", scope="step", text='no step ran bare; add "bare" to the passes'
        )
    yield from _notes_on_phases(raw)
    yield from _notes_on_energy(raw)
    yield from _notes_on_unseen(raw)


def _notes_on_energy(raw: RawTrace) -> Iterator[Note]:
    """Why there are no joules at all: no counter, or no pass."""
    if raw.energy is not None:
        return
    code, text = raw.no_energy or _why_not_run("energy", raw)
    for quantity in _ENERGIES:
        yield Note(code=code, quantity=quantity, scope="*", text=text)
    for quantity in _ENERGIES_OF_RECORD:
        yield Note(code=code, quantity=quantity, scope="step", text=text)


def _notes_on_bytes(raw: RawTrace) -> Iterator[Note]:
    if raw.flops is None or not raw.flops.unsized:
        return
    text = f"the size of what {raw.flops.unsized[0]} touches depends on data"
    for quantity in _OF_BYTES:
        yield Note(code="unsized_op", quantity=quantity, scope="*", text=text)
    yield Note(code="unsized_op", quantity="unattributed_bytes_moved", scope="step", text=text)


def _notes_on_ops(raw: RawTrace) -> Iterator[Note]:
    """Without an ops pass there are no ops; without a device there is nothing of a device."""
    if raw.ops is None:
        code, text = _why_not_run("ops", raw)
        for quantity in ("ops", "timeline"):
            yield Note(code=code, quantity=quantity, scope="step", text=text)
    if not raw.has_device:
        code, text = "no_device", _NO_DEVICE if raw.environment.device == "cpu" else _OTHER_DEVICE
    elif raw.ops is not None:
        return
    for quantity in _DEVICE_QUANTITIES:
        yield Note(code=code, quantity=quantity, scope="*", text=text)
    for quantity in _DEVICE_QUANTITIES_OF_RECORD:
        yield Note(code=code, quantity=quantity, scope="step", text=text)


def sees_phases(raw: RawTrace) -> bool:
    """Whether a pass ran that can tell the step's phases apart; a step of one phase has it in any case."""
    return len(raw.phases) == 1 or any((raw.time, raw.ops, raw.flops, raw.memory))


def _notes_on_phases(raw: RawTrace) -> Iterator[Note]:
    """What is of layers and of the whole step alone."""
    if not sees_phases(raw):
        yield Note(code="no_pass", quantity="phases", scope="step", text="no pass that tells phases apart was run")
        return
    for phase in raw.phases:
        scope = f"phase {phase.name}"
        if raw.memory is not None:
            text = "what calls return is of layers and stages; a phase is no call"
            yield Note(code="not_by_phase", quantity="output_bytes", scope=scope, text=text)
            if len(raw.phases) > 1:
                yield Note(code="not_by_phase", quantity="peak_bytes", scope=scope, text="the peak is the whole step's")


def _why_not_run(name: str, raw: RawTrace) -> tuple[str, str]:
    if name in raw.spec.passes:
        return "pass_not_finished", f"the {name} pass was not reached before the measurement ended"
    return "pass_not_asked", f'the {name} pass was not asked for; add "{name}" to passes'


def _notes_on_pass(name: str, raw: RawTrace) -> Iterator[Note]:
    code, text = _why_not_run(name, raw)
    for quantity in _QUANTITIES_BY_PASS[name]:
        yield Note(code=code, quantity=quantity, scope="*", text=text)
    for quantity in _RECORD_QUANTITIES_BY_PASS[name]:
        yield Note(code=code, quantity=quantity, scope="step", text=text)


def _notes_on_unseen(raw: RawTrace) -> Iterator[Note]:
    """Layers whose calls no hook sees: one note for each quantity and region."""
    for name, measured in (("time", raw.time), ("flops", raw.flops), ("memory", raw.memory)):
        for scope, reason in measured.unseen.scopes if measured else ():
            for quantity in (*_QUANTITIES_BY_PASS[name], *(_RATES if name == "time" else ())):
                yield Note(code="calls_unseen", quantity=quantity, scope=scope, text=reason)
            if name != "time" and raw.time and scope in dict(raw.time.unseen.scopes):
                yield Note(code="calls_unseen", quantity="calls", scope=scope, text=f"{reason}; calls are 0")
