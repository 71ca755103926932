"""What a source of joules is, and why there may be none.

A source counts the joules that one domain (a GPU board, the packages of a CPU) has drawn since some moment. It says
nothing of layers, and it moves in ticks that are far longer than a layer; windows and replay are built on top.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from layerprof.errors import UnavailableError
from layerprof.records import EnergyDomain, EnergyKind, FrozenMapping, Note

_SLACK = 1.01  # of a call's time, which is known about

UnavailableCode = Literal[
    "no_powercap",
    "permission",
    "masked_in_container",
    "virtual_machine",
    "counter_frozen",
    "unsupported_device",
    "not_linux",
]


class SourceError(UnavailableError):
    """A counter cannot be had, or does not answer any more.

    Attributes:
        code: a stable word for the reason, of `UnavailableCode` or of a finding about the counter; it becomes the code
            of the note on every missing quantity.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """What a source says of itself before it was tried.

    Attributes:
        name: of the source, such as ``nvml_energy``.
        domain: what it counts the joules of.
        device: whose, in words, with the id that it was matched by.
        identity: of device and counter, by which findings are kept: equal ones are the same counter.
        kind: ``estimated`` where nothing is measured.
        nominal_tick_s: how often it moves by what is published, or None.
        poll_s: None for a counter. A power sensor that is summed must be read at least this often in a window.
        averaged_s: over how long its readings are averaged: 1.0 for a one-second average.
        longest_unread_s: between two readings that are further apart it may lose joules, as it starts anew unseen; None
            where it never does.
        sensor_rel: bound of the error of its gain, as a fraction.
        limit_w: the device's power limit, or None.
        facts: driver, modes and assumptions, in words, for the record.
        notes: what weakens it from the start: a part of a shared board, a virtual machine's model.
    """

    name: str
    domain: EnergyDomain
    device: str
    identity: str
    kind: EnergyKind = "measured"
    nominal_tick_s: float | None = None
    poll_s: float | None = None
    averaged_s: float = 0.0
    longest_unread_s: float | None = None
    sensor_rel: float = 0.0
    limit_w: float | None = None
    facts: FrozenMapping[str] = field(default_factory=FrozenMapping)
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """What the device is like at one moment; None where it cannot be read.

    Attributes:
        temperature_c: of its cores.
        clock_hz: of its cores.
        throttle_reasons: why it holds its clocks down now, in its own words; being idle is none.
        foreign_processes: processes of others on it.
    """

    temperature_c: float | None = None
    clock_hz: float | None = None
    throttle_reasons: tuple[str, ...] = ()
    foreign_processes: int | None = None


class EnergySource(Protocol):
    """A source of joules.

    Contract: of two readings the later is not lower, while the counter is sound, and their difference is the joules
    that the domain drew between them, to within one tick at either end and the sensor's gain.
    """

    @property
    def facts(self) -> SourceFacts:
        """What it says of itself."""
        ...

    def read_j(self) -> float:
        """Joules since some moment that stays the same. Wrapped counters are unwrapped.

        Raises:
            SourceError: when it does not answer, or was closed.
        """
        ...

    def state(self) -> DeviceState:
        """What the device is like now; never raises."""
        ...

    def close(self) -> None:
        """Gives back what it holds; may be called twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A source that there could have been, and why there is none.

    Attributes:
        name: of the source.
        code: the reason's word, of `UnavailableCode`.
        text: one line, ``what was found: why; what helps``. Refusals with the same reason are told as one, by the part
            behind the first colon.
    """

    name: str
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What there is for one device.

    Attributes:
        energy: counters and summed power sensors, the most trusted first; empty where there is none.
        refusals: of all that there could have been and is not.
    """

    energy: tuple[EnergySource, ...] = ()
    refusals: tuple[Refusal, ...] = ()


def is_too_long(call_s: float, limit_s: float | None) -> bool:
    """Whether a call is longer than a source may be left unread; never where there is no such limit."""
    return limit_s is not None and call_s > _SLACK * limit_s


def refuse_long_calls(facts: SourceFacts, call_s: float) -> None:
    """Nothing, where a source can be read often enough between calls.

    A power sensor that is read between calls alone meets the same moment of each, and a counter that starts anew may do
    so twice in a call.

    Args:
        facts: of the source.
        call_s: seconds of a call.

    Raises:
        SourceError: where a call is longer than the source may be left unread.
    """
    if is_too_long(call_s, facts.poll_s):
        raise SourceError(
            "polls_too_sparse",
            f"joules were asked of {facts.name} for calls of {call_s:.3g} s, but it shows power, which has to be read "
            f"every {facts.poll_s:.3g} s, and within a call it cannot be; give it smaller calls, or use a counter",
        )
    if is_too_long(call_s, facts.longest_unread_s):
        raise SourceError(
            "reads_too_sparse",
            f"joules were asked of {facts.name} for calls of {call_s:.3g} s, but it starts anew and has to be read "
            f"every {facts.longest_unread_s:.3g} s, and within a call it cannot be; give it smaller calls",
        )
