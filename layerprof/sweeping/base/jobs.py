"""What the engine and its executors say to each other: slots, jobs, events.

    engine ─ slots() ─▶ where runs can go          engine ─ submit(job) ─▶ executor          engine ◀─ events ─ wait()

A `Slot` measures one run at a time. An `Executor` never decides what is run where, what is tried again or what is kept:
that is the engine's, so that all executors do the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from layerprof.ledger import Outcome
from layerprof.records import FrozenMapping

if TYPE_CHECKING:
    from layerprof.sweeping.base.cells import PlannedCell


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentKey:
    """Where a run is measured: results of two environments are never taken for each other.

    Attributes:
        id: beginning of the SHA-256 of the facts in canonical JSON.
        facts: everything that changes a result besides the cell: versions, processor, device, driver, isolation; never
            the host's name, the device's index or the time.
    """

    id: str
    facts: FrozenMapping[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place that measures one run at a time.

    Attributes:
        name: unique among the slots, such as ``host/cpu``.
        host: the machine's name.
        device: such as ``cpu`` or ``cuda:0``: what the cells that go there may ask for, besides the kind (``cuda``)
            alone.
        device_type: the device's name as its driver, or for a CPU the system, gives it.
        environment: of the runs that are measured there.
    """

    name: str
    host: str
    device: str
    device_type: str
    environment: EnvironmentKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a run may take.

    Attributes:
        timeout_s: at most, from the start of its process; None is without limit.
        hang_s: longest time without a sign of life; None is without limit.
    """

    timeout_s: float | None = None
    hang_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run to be measured.

    Attributes:
        cell: what.
        repeat: which of its runs, from 0; runs of one round have the same number.
        attempt: how often it was tried before, from 0.
        slot: where.
        limits: what it may take.
        folder: an empty one of the sweep's, where the executor may have results left; its name is safe for files.
    """

    cell: PlannedCell
    repeat: int
    attempt: int
    slot: Slot
    limits: Limits
    folder: str

    @property
    def name(self) -> str:
        """Unique in a session, and safe as a file's name."""
        return f"{self.cell.id}.{self.repeat}.{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """A sign of life of a run.

    Attributes:
        job: whose.
        phase: what it is doing, such as ``build``, ``warm-up``, ``time``.
        done, total: steps of the phase; total is None where it is not known.
    """

    job: Job
    phase: str
    done: int = 0
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run that came to an end, whichever; its slot is free again.

    Attributes:
        job: whose.
        outcome: done, or failed with its kind.
    """

    job: Job
    outcome: Outcome


Event = Beat | Finished


class Executor(Protocol):
    """Measures runs somewhere. It is made by a context manager, whose end stops what still runs.

    Every job that was submitted comes back as exactly one `Finished`, whatever happens to its process or its node.
    """

    def slots(self) -> tuple[Slot, ...]:
        """The slots that there are now, busy or free; they may come and go."""
        ...

    def submit(self, job: Job) -> None:
        """Starts a run on its slot, which is free."""
        ...

    def wait(self, timeout_s: float) -> tuple[Event, ...]:
        """What happened, as soon as anything does; nothing after ``timeout_s``. It sleeps, and does not spin."""
        ...


@runtime_checkable
class Explains(Protocol):
    """An executor that knows why places that are there give no slot."""

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each place, such as a node with another version of layerprof."""
        ...
