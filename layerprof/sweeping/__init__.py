"""Sweeps: a plan's cells measured in processes of their own, by one worker or by many, kept in a folder as they come.

Importing this, planning, resuming and reporting load no torch; only the processes of cells do.
"""

from __future__ import annotations

import math
import shutil
import uuid
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from layerprof.errors import InputError, UnavailableError
from layerprof.ledger import (
    Layout,
    Leases,
    Outcome,
    Owner,
    Scan,
    begin,
    load_sweep,
    read_plan,
    require_startable,
    scan,
    set_aside,
)
from layerprof.records import SweepRecord
from layerprof.sweeping.base import (
    Executor,
    Job,
    Limits,
    PlannedCell,
    Slot,
    cell_of,
    require_known,
    require_not_in_cell,
)
from layerprof.sweeping.base.places import working_directory
from layerprof.sweeping.display import SweepProgress, shown
from layerprof.sweeping.engine import (
    Claims,
    Engine,
    EngineOptions,
    Standing,
    device_asked,
    facts_of,
    fits,
    is_better,
    tasks_in_order,
)
from layerprof.sweeping.environments import environment_of_cpu
from layerprof.sweeping.executors import EXECUTORS, ExecutorFactory, ExecutorOptions
from layerprof.sweeping.plans import Plan
from layerprof.sweeping.signals import Terminated, terminable

__all__ = [
    "EXECUTORS",
    "Executor",
    "ExecutorFactory",
    "ExecutorOptions",
    "Job",
    "Outcome",
    "Plan",
    "PlannedCell",
    "Slot",
    "Terminated",
    "sweep",
    "work",
]

_LEADER = "sweep"  # name of the lease that the sweep itself holds, beside those of its runs
_OTHERS = "workers"  # the executor that leaves all runs to `layerprof worker`
_PATIENCE_S = {"ray": 60.0, _OTHERS: math.inf}  # slots may still come; on one machine all are there from the start


def sweep(
    plan: Plan,
    out: str | Path,
    *,
    executor: str | ExecutorFactory = "process",
    resume: bool = True,
    progress: bool = True,
) -> SweepRecord:
    """Measures the cells of a plan, each run kept in the folder ``out`` as soon as it is finished.

    A run that fails is kept with its reason, and the sweep goes on. Ctrl-C and SIGTERM end it with
    ``KeyboardInterrupt``: the finished runs stay, and the same call goes on from there. A run is left out only where
    its cell, its environment and its repeat are stored; what was measured in another environment stays in the folder
    beside the new. The folder may hold an earlier sweep of the same plan's name and model. Others help with
    ``layerprof worker``.

    Args:
        plan: what to measure.
        out: the sweep's folder.
        executor: ``process`` runs each cell in a process of its own on this machine, ``inline`` in this one (to
            debug), ``ray`` on the nodes of a Ray cluster, ``workers`` nowhere here: it waits for those of ``layerprof
            worker``; or a factory of one's own.
        resume: whether results that are in the folder count; False measures all anew.
        progress: whether to show on standard error how it goes on: a bar and a line for each run that is on, or, where
            it is no terminal, a line for each run that ends.

    Returns:
        The plan with all its cells, as `layerprof.load` gives it.

    Raises:
        InputError: for an unknown model, dtype or executor, a folder that cannot be written, holds another sweep, or is
            being swept, before any cell runs.
        UnavailableError: when no cell has its device here, or results found no space.
        RecordError: when the folder's plan is damaged, or of a newer layerprof.
    """
    require_not_in_cell()
    cells = _checked_cells(plan)
    make, layout = _factory_of(executor), Layout(_absolute(out))
    require_startable(layout, plan.record())
    with terminable(), ExitStack() as stack:
        owner = _owner(layout, stack)
        runner = stack.enter_context(make(_devices(cells), ExecutorOptions()))
        to_do = [cell for cell in cells if cell.skipped is None]
        patience_s = _PATIENCE_S.get(executor, 0.0) if isinstance(executor, str) else 0.0
        if not patience_s:
            _require_some_slot(to_do, runner.slots())
        leases = stack.enter_context(Leases(layout, owner))
        _lead(leases, layout)
        session = uuid.uuid4().hex[:16]
        record = SweepRecord(
            plan=plan.record(),
            cells=tuple(cell.planned() for cell in cells),
            session=session,
            sessions=() if resume else (session,),
            environments=facts_of(slot.environment for slot in runner.slots()),
        )
        here = environment_of_cpu(isolation="process").facts
        stored = begin(layout, record, is_alone=not leases.all_held(), software=here)
        options = EngineOptions(
            limits=_limits(record),
            work=layout.work / owner.id,
            patience_s=patience_s,
            repeats_disturbed=executor != "inline",
        )
        worker = _Worker(layout=layout, leases=leases, runner=runner, record=record, options=options)
        if worker.measure(to_do, stored, progress=progress):
            scan(layout)  # which leaves the index for those who read
    return load_sweep(layout.folder)


def work(out: str | Path, *, executor: str | ExecutorFactory = "process", progress: bool = True) -> SweepRecord:
    """Helps with the sweep in a folder, from this or any machine that shares it, until there is nothing left to take.

    It takes runs that fit the devices it has, one at a time, as the sweep itself does; no run is measured by two. The
    sweep that was begun in the folder need not be running any more.

    Args:
        out: the sweep's folder.
        executor: as for `sweep`.
        progress: likewise.

    Returns:
        The sweep as it is then; runs that others are on are still pending.

    Raises:
        InputError: when there is no sweep in the folder, or it cannot be written.
        RecordError: when the folder's plan is damaged, or of a newer layerprof.
        UnavailableError: when results found no space.
    """
    require_not_in_cell()
    if executor == _OTHERS:
        raise InputError(f"a worker measures runs, and the executor {_OTHERS!r} none; use process, inline or ray")
    make, layout = _factory_of(executor), Layout(_absolute(out))
    record = read_plan(layout)
    cells = [cell_of(record.plan, cell) for cell in record.cells if cell.status == "pending"]
    with terminable(), ExitStack() as stack:
        owner = _owner(layout, stack)
        leases = stack.enter_context(Leases(layout, owner))
        runner = stack.enter_context(make(_devices(cells), ExecutorOptions()))
        _require_some_slot(cells, runner.slots())
        options = EngineOptions(limits=_limits(record), work=layout.work / owner.id, is_leading=False)
        worker = _Worker(layout=layout, leases=leases, runner=runner, record=record, options=options)
        worker.measure(cells, _readable(layout), progress=progress)
    return load_sweep(layout.folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worker:
    """One worker on a sweep's folder, with all that it has entered."""

    layout: Layout
    leases: Leases
    runner: Executor
    record: SweepRecord
    options: EngineOptions

    def measure(self, cells: Sequence[PlannedCell], stored: Scan, *, progress: bool) -> int:
        """Measures the runs of the cells that have no result that counts among those stored; says how many it was."""
        plan = self.record.plan
        tasks = tuple(tasks_in_order(cells, rounds=plan.rounds))
        varying = [name for name, values in plan.axes if len(values) > 1]
        course = SweepProgress(f"sweep {plan.name}", axes=varying, total=len(tasks))
        standing = Standing(self.layout, self.runner)
        claims = Claims(self.layout, self.leases, standing=standing, replaces=is_better)
        with shown(course, is_shown=progress) as watcher:
            return Engine(self.runner, claims, watcher, options=self.options).run(tasks, stored=stored)


def _readable(layout: Layout) -> Scan:
    """What is stored; what cannot be read is set aside."""
    found = scan(layout)
    set_aside(layout, found.damaged)
    return found


def _absolute(out: str | Path) -> Path:
    """The folder wherever a model changes to.

    Raises:
        InputError: when it is named from a working directory that was deleted.
    """
    return Path(out) if Path(out).is_absolute() else Path(working_directory()) / out


def _factory_of(executor: str | ExecutorFactory) -> ExecutorFactory:
    if not isinstance(executor, str):
        return executor
    if executor not in EXECUTORS:
        raise InputError(f"there is no executor {executor!r}; use one of {', '.join(EXECUTORS)}")
    return EXECUTORS[executor]


def _checked_cells(plan: Plan) -> tuple[PlannedCell, ...]:
    """The plan's cells, once it is known that they are not all in vain."""
    if not isinstance(plan, Plan):
        raise InputError(f"a layerprof.Plan is swept; found {type(plan).__name__}")
    cells = plan.cells()
    require_known(cells)
    return cells


def _devices(cells: Iterable[PlannedCell]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(cell.settings.device or "cpu" for cell in cells if cell.skipped is None))


def _limits(record: SweepRecord) -> Limits:
    return Limits(timeout_s=record.plan.timeout_s, hang_s=record.plan.hang_s)


def _owner(layout: Layout, stack: ExitStack) -> Owner:
    """Who this worker is; what it has in ``work/`` goes away after its runs have been stopped."""
    owner = Owner.here()
    stack.callback(shutil.rmtree, layout.work / owner.id, ignore_errors=True)
    return owner


def _lead(leases: Leases, layout: Layout) -> None:
    """Makes this process the one that sweeps the folder.

    Raises:
        InputError: when another one does.
    """
    leases.clear_dead()
    if leases.claim(_LEADER):
        return
    holder = leases.holder(_LEADER)
    who = "another process" if holder is None else f"process {holder.pid} on {holder.host}"
    raise InputError(
        f"{layout.folder} is being swept by {who}; help it with `layerprof worker {layout.folder}`, or choose another "
        f"folder"
    )


def _require_some_slot(cells: Sequence[PlannedCell], slots: Sequence[Slot]) -> None:
    """Returns where at least one cell has its device.

    Raises:
        UnavailableError: where none has, which would fail every one of them.
    """
    if not cells or any(fits(cell, slot) for cell in cells for slot in slots):
        return
    asked = ", ".join(dict.fromkeys(map(device_asked, cells)))
    there = ", ".join(f"{slot.device} ({slot.device_type})" for slot in slots) or "none"
    raise UnavailableError(f"no cell of the plan has its device here: asked for {asked}, found {there}")
