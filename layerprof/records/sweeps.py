"""A sweep's records: the plan, one record for each run of a cell, and one for each cell.

plan ─ cells ─ runs: one process each, ``rounds`` of them a cell ─▶ RunRecord, the truth that the folder keeps
                                                            └─────▶ CellRecord, put together from its runs
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from layerprof.records.base import SCHEMA, Distribution, FrozenMapping, Note

if TYPE_CHECKING:
    from layerprof.records.evidence import EvidenceRecord
    from layerprof.records.findings import AnalysisRecord
    from layerprof.records.profile import Profile

AxisValue = str | int | float | bool | None
CellStatus = Literal["pending", "done", "failed", "skipped"]
RunStatus = Literal["done", "failed"]
Isolation = Literal["inline", "forked", "fresh"]
FailureKind = Literal[
    "oom_cuda",  # the device had no memory left
    "oom_host",  # the machine had none, or killed the process for it
    "segv",  # the interpreter crashed
    "crash",  # the process ended without a result in any other way
    "timeout",  # it took longer than the plan allows
    "hang",  # it gave no sign of life for longer than the plan allows
    "nan",  # the model's outputs are not numbers
    "unsupported",  # the model or library refuses the combination
    "unavailable",  # a device, package, weights or data are missing
    "invalid",  # the settings or the data cannot be used
    "excluded",  # the plan leaves the cell out
    "contended",  # other processes took the device or the cores
    "throttled",  # the device slowed itself down
    "wrong_device",  # the device is not of the type that was asked for
    "worker_lost",  # the worker or its node died
    "not_in_force",  # an optimisation was taken by the library and is not what ran
    "exception",  # anything else that the model raised
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFailure:
    """Why a cell or a run has no result.

    Attributes:
        kind: a stable word, one of `FailureKind`.
        text: one line for people.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConditions:
    """How a run's process was set up, and what was seen beside it; nothing of it was set for the machine.

    Attributes:
        isolation: ``inline`` in the sweep's own process, ``forked`` from a server that had the imports, ``fresh``.
        host: name of the machine.
        device: that it ran on, such as ``cpu`` or ``cuda:0``.
        device_type: its name as the driver or the system gives it.
        pid: of the process.
        threads: torch's intra-op threads.
        cores: that it was allowed to run on, by number; empty where the system does not tell.
        memory_limit_bytes: of private memory that it could not exceed, or None.
        variables: environment variables that were set for it.
        load_average: of the last minute, before it began.
        others_share: of the cores' time while it measured, what other processes took, from 0 to 1.
        stolen_share: likewise, what the hypervisor took.
        throttled_share: of the readings of the device's clocks, those with a reason to slow down.
        clock_ratio: median of the device's clock over its maximum.
        foreign_processes: of others, on the same accelerator.
        peak_bytes: most resident memory that was seen of the process.
    """

    isolation: Isolation
    host: str = ""
    device: str = ""
    device_type: str = ""
    pid: int | None = None
    threads: int | None = None
    cores: tuple[int, ...] = ()
    memory_limit_bytes: int | None = None
    variables: FrozenMapping[str] = field(default_factory=FrozenMapping)
    load_average: float | None = None
    others_share: float | None = None
    stolen_share: float | None = None
    throttled_share: float | None = None
    clock_ratio: float | None = None
    foreign_processes: int | None = None
    peak_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What a table needs of a run.

    Attributes:
        cell: the cell's id.
        repeat: which of the cell's runs it is, from 0.
        environment: id of where it was measured: what may be compared with what.
        session: id of the sweep's start that it belongs to.
        status: done or failed.
        metrics: numbers in SI base units by name; None where not measured.
        notes: why metrics are missing or weak.
        failure: set where the status is failed.
        ended_at_s: seconds since 1970, UTC.
        profile_path: where its layer profile is kept, relative to the sweep's folder; the timeline lies beside it.
        log_path: likewise, what its process wrote.
        evidence_path: likewise, what was in force and what the model answered.
        source: digest of the user's module that the model came from; empty where it is none of the user's.
    """

    cell: str
    repeat: int = 0
    environment: str = ""
    session: str = ""
    status: RunStatus
    metrics: FrozenMapping[float | int | None] = field(default_factory=FrozenMapping)
    notes: tuple[Note, ...] = ()
    failure: CellFailure | None = None
    ended_at_s: float = 0.0
    profile_path: str | None = None
    log_path: str | None = None
    evidence_path: str | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run of a cell, in a process of its own.

    Attributes:
        schema: version of the stored form.
        summary: what tables need.
        axes: every setting of the cell.
        latency_s: of bare steps, or None where it failed.
        facts: of the environment, whose id is their hash.
        conditions: of the process; None where it was lost before it could tell.
        discarded: attempts before this one, each with why it was not kept.
        spans_s: seconds by name: ``start`` (the process), ``build``, ``prepare`` (first calls, and compiling),
            ``measure``, ``look`` (what was in force, whether outputs are numbers), ``answer``, ``engine`` (all else).
    """

    schema: int = SCHEMA
    summary: RunSummary
    axes: FrozenMapping[AxisValue] = field(default_factory=FrozenMapping)
    latency_s: Distribution | None = None
    facts: FrozenMapping[str] = field(default_factory=FrozenMapping)
    conditions: RunConditions | None = None
    discarded: tuple[CellFailure, ...] = ()
    spans_s: FrozenMapping[float] = field(default_factory=FrozenMapping)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRecord:
    """One point of a sweep and what its runs have brought so far.

    Attributes:
        id: stable: the hash of the fully resolved cell.
        axes: every setting of the cell, fixed ones included.
        status: pending until all runs are there; failed as soon as one is that is not tried again; done; skipped.
        metrics: numbers in SI base units by name, over the runs that are there; None where not measured.
        notes: why metrics are missing or weak.
        failure: set where the status is failed or skipped.
        profile_path: where the layer profile of the run with the middle latency is kept, from the sweep's folder on.
        evidence_path: likewise, what was in force in that run and what the model answered.
        environment: id of where the numbers were measured; empty where there was none.
        runs_done: that have a result, in whichever environment.
        runs_planned: one a round.
        source: digest of the user's module that the model comes from, as it was planned; empty where it is none of the
            user's.
        folder: the sweep's folder; not compared.
    """

    id: str
    axes: FrozenMapping[AxisValue]
    status: CellStatus
    metrics: FrozenMapping[float | int | None] = field(default_factory=FrozenMapping)
    notes: tuple[Note, ...] = ()
    failure: CellFailure | None = None
    profile_path: str | None = None
    evidence_path: str | None = None
    environment: str = ""
    runs_done: int = 0
    runs_planned: int = 1
    source: str = ""
    folder: str = field(default="", compare=False, repr=False)

    @property
    def profile(self) -> Profile | None:
        """The cell's layer profile, read from its file each time; None where the cell has none.

        A timeline that cannot be read is None in it, with a note that says why.
        """
        if self.profile_path is None:
            return None
        from layerprof.store import load_profile

        return load_profile(Path(self.folder) / self.profile_path)

    @property
    def evidence(self) -> EvidenceRecord | None:
        """What stands behind the cell's numbers, read from its file each time; None where the cell has none."""
        if self.evidence_path is None:
            return None
        from layerprof.store import load_evidence

        return load_evidence(Path(self.folder) / self.evidence_path)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTest:
    """One of several tests that a plan is made of.

    Attributes:
        name: of its table.
        axes: (name, values) pairs that vary in it.
        fixed: settings that its cells share, those of the plan among them.
        cells: ids, in the table's order; a cell may be in several tests.
    """

    name: str
    axes: tuple[tuple[str, tuple[AxisValue, ...]], ...]
    fixed: FrozenMapping[AxisValue]
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """What a sweep was asked to do.

    Attributes:
        name: of the plan, which chooses its tables.
        model: a preset's name, or ``package.module:callable``.
        axes: (name, values) pairs, the first varying slowest.
        fixed: settings that all cells share.
        rounds: runs a cell, each in a fresh process and all cells in each round.
        timeout_s: the most that a run may take; None is without limit.
        hang_s: the longest that a run may give no sign of life; None is without limit.
        tests: that the plan is made of, each with a table of its own; empty where it is one product of its axes.
    """

    name: str
    model: str
    axes: tuple[tuple[str, tuple[AxisValue, ...]], ...]
    fixed: FrozenMapping[AxisValue] = field(default_factory=FrozenMapping)
    rounds: int = 1
    timeout_s: float | None = None
    hang_s: float | None = None
    tests: tuple[PlanTest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """A sweep's plan and its cells, in the plan's order.

    Attributes:
        schema: version of the stored form.
        plan: what was asked.
        cells: one a point of the plan.
        session: id of the last start of the sweep.
        sessions: ids of those whose runs count; empty where those of all do.
        environments: facts by the id of each environment that counts in this session: those that it was started in,
            and those of the workers that helped.
        joined: ids of the environments that workers have joined with.
        notes: on the folder, such as results that could not be read.
        analysis: what the numbers say, where it was computed; None where not.
    """

    schema: int = SCHEMA
    plan: PlanRecord
    cells: tuple[CellRecord, ...]
    session: str = ""
    sessions: tuple[str, ...] = ()
    environments: FrozenMapping[FrozenMapping[str]] = field(default_factory=FrozenMapping)
    joined: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    analysis: AnalysisRecord | None = None
