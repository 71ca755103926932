"""Sweeps: a plan's cells measured one after the other, kept in a folder as they come.

Importing this loads no torch; a sweep's own process does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from layerprof.errors import InputError, UnavailableError
from layerprof.progress import progress_bar
from layerprof.records import SweepRecord
from layerprof.sweeping.base import Outcome, PlannedCell
from layerprof.sweeping.ledger import begin, is_done, keep, load_sweep
from layerprof.sweeping.plans import Plan
from layerprof.sweeping.process import run_in_process

__all__ = ["EXECUTORS", "Executor", "Outcome", "Plan", "PlannedCell", "sweep"]

Executor = Callable[[PlannedCell], Outcome]
"""Measures one cell. It returns a failed outcome for what goes wrong, and raises only to end the sweep."""


def _run_inline(cell: PlannedCell) -> Outcome:
    """Measures the cell in this process, where earlier cells have warmed it up: for tests and debuggers."""
    from layerprof.sweeping.worker import measure

    return measure(cell)


EXECUTORS: Mapping[str, Executor] = {"process": run_in_process, "inline": _run_inline}


def sweep(
    plan: Plan, out: str | Path, *, executor: str | Executor = "process", resume: bool = True, progress: bool = True
) -> SweepRecord:
    """Measures the cells of a plan, each kept in the folder ``out`` as soon as it is finished.

    A cell that fails is a row with its reason, and the sweep goes on. Ctrl-C ends it with ``KeyboardInterrupt``: the
    finished cells stay, and the same call goes on from there. The folder may hold an earlier sweep of the same plan
    name and model; its cells stay too.

    Args:
        plan: what to measure.
        out: the sweep's folder.
        executor: ``process`` runs each cell in a fresh process, ``inline`` in this one; or a callable of one's own.
        resume: whether cells that are done in the folder are left as they are; False measures all anew.
        progress: whether to show a bar on standard error.

    Returns:
        The plan with all its cells, as `layerprof.load` gives it.

    Raises:
        InputError: for an unknown model, dtype or executor, or a folder that cannot be written, before any cell runs.
        UnavailableError: when the only device of the plan is missing.
    """
    run = _executor_named(executor)
    cells = _runnable_cells(plan)
    folder = Path(out)
    begin(folder, SweepRecord(plan=plan.record(), cells=tuple(cell.planned() for cell in cells)))
    to_do = [cell for cell in cells if cell.skipped is None and not (resume and is_done(folder, cell.id))]
    with progress_bar(f"sweep {plan.name}", is_shown=progress) as show:
        for done, cell in enumerate(to_do):
            show(_title(plan, cell), done, len(to_do))
            keep(folder, run(cell))
    return load_sweep(folder)


def _executor_named(executor: str | Executor) -> Executor:
    if not isinstance(executor, str):
        return executor
    if executor == "ray":
        raise UnavailableError("the executor 'ray' comes with a later version of layerprof; use 'process'")
    if executor not in EXECUTORS:
        raise InputError(f"there is no executor {executor!r}; use one of {', '.join(EXECUTORS)}")
    return EXECUTORS[executor]


def _runnable_cells(plan: Plan) -> tuple[PlannedCell, ...]:
    """The plan's cells, once it is known that they are not all in vain."""
    if not isinstance(plan, Plan):
        raise InputError(f"a layerprof.Plan is swept; found {type(plan).__name__}")
    from layerprof.models import adapter_named
    from layerprof.models.base import parse_device, parse_dtype

    adapter_named(plan.model)
    cells = plan.cells()
    for dtype in {cell.settings.dtype for cell in cells} - {None}:
        parse_dtype(str(dtype))
    devices = {cell.settings.device for cell in cells}
    if len(devices) == 1 and None not in devices:
        parse_device(str(devices.pop()))
    return cells


def _title(plan: Plan, cell: PlannedCell) -> str:
    return ", ".join(f"{name} {cell.axes[name]}" for name in plan.axes)
