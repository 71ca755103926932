"""``layerprof sweep``: a plan's cells, measured and kept in a folder, as a table in the terminal and in files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from layerprof.cli.base import (
    CHECK_FAILED,
    DONE,
    GOES_ON,
    Device,
    Dtype,
    ShowsProgress,
    Traceback,
    is_told,
    keep_what_is_done,
    show_sweep,
)
from layerprof.errors import InputError, UnavailableError
from layerprof.ledger import SWEEP_FILE

if TYPE_CHECKING:
    from layerprof.sweeping import Plan

_BATCH = "batch"
_GOES_ON_ANEW = "the same command without --no-resume goes on where this one stopped"
_NOT_BEGUN_ANEW = "nothing was begun anew; the table is of what was there before"

PlanName = Annotated[str, typer.Argument(metavar="PLAN", help="batch, or a .py file with a `plan`, or a .yaml file.")]
Model = Annotated[str | None, typer.Option(help="A preset.", show_default="blip2-tiny")]
Samples = Annotated[int | None, typer.Option(help="Samples of the data, in batches.", show_default="16")]
Sizes = Annotated[str | None, typer.Option(help="Batch sizes.", show_default="1,4,8,16")]
Out = Annotated[Path, typer.Option(help="The sweep's folder.")]
ExecutorName = Annotated[
    str,
    typer.Option(
        "--executor",
        help="process: one for each run, on this machine; ray: on a cluster; workers: nothing is measured here, each "
        "`layerprof worker` takes its share; inline: in this process, to debug.",
    ),
]
Rounds = Annotated[int | None, typer.Option(help="Runs a cell, each in a fresh process.", show_default="3")]
Timeout = Annotated[float | None, typer.Option(help="Seconds that a run may take.", show_default="3600")]
Quick = Annotated[bool, typer.Option("--quick", help="One run a cell and short windows: for a look, marked as such.")]
Trace = Annotated[bool, typer.Option("--trace", help="Keep a timeline of every run beside its layers.")]
Resume = Annotated[bool, typer.Option(help="Leave runs that are done in the folder as they are.")]


def sweep(
    plan: PlanName,
    out: Out,
    model: Model = None,
    samples: Samples = None,
    sizes: Sizes = None,
    dtype: Dtype = None,
    device: Device = None,
    executor: ExecutorName = "process",
    rounds: Rounds = None,
    timeout: Timeout = None,
    quick: Quick = False,
    trace: Trace = False,
    resume: Resume = True,
    progress: ShowsProgress = None,
    traceback: Traceback = False,
) -> int:
    """Measure a model over an axis, such as its batch sizes."""
    options = {"model": model, "samples": samples, "sizes": sizes, "dtype": dtype, "device": device}
    before = _begun_at_ns(out)
    try:
        from layerprof import sweeping

        resolved = _plan(plan, {name: value for name, value in options.items() if value is not None})
        resolved = _adjusted(resolved, rounds=rounds, timeout_s=timeout, is_quick=quick, has_trace=trace)
        record = sweeping.sweep(resolved, out, executor=executor, resume=resume, progress=is_told(progress))
    except KeyboardInterrupt as interrupt:
        anew = _GOES_ON_ANEW if _begun_at_ns(out) != before else _NOT_BEGUN_ANEW
        return keep_what_is_done(out, interrupt, advice=GOES_ON if resume else anew)
    show_sweep(record, out)
    return CHECK_FAILED if any(cell.status == "failed" for cell in record.cells) else DONE


def _begun_at_ns(folder: Path) -> int | None:
    """When the sweep in a folder was begun last, by its file; None where there is none."""
    try:
        return (folder / SWEEP_FILE).stat().st_mtime_ns
    except OSError:
        return None


def _adjusted(plan: Plan, *, rounds: int | None, timeout_s: float | None, is_quick: bool, has_trace: bool) -> Plan:
    """The plan with what the command line asks of every cell."""
    if is_quick:
        plan = plan.quick()
    if has_trace:
        plan = dataclasses.replace(plan, fixed={**plan.fixed, "trace": True})
    if rounds is not None:
        plan = dataclasses.replace(plan, rounds=rounds)
    return plan if timeout_s is None else dataclasses.replace(plan, timeout_s=timeout_s)


def _plan(name: str, options: Mapping[str, str | int]) -> Plan:
    if name == _BATCH:
        return _batch_plan(options)
    if name == "reference":
        raise UnavailableError(
            "the sweep 'reference' comes with a later version; this one has 'batch': "
            "layerprof sweep batch --model blip2-tiny --out runs/batch"
        )
    path = Path(name)
    if path.suffix not in (".py", ".yaml", ".yml"):
        raise InputError(f"there is no plan {name!r}; give {_BATCH}, a .py file with a `plan`, or a .yaml file")
    if not path.is_file():
        raise InputError(f"there is no file {path}; give a .py or .yaml file with a plan, or {_BATCH}")
    if options:
        raise InputError(f"--{next(iter(options))} belongs to the plan {_BATCH}; write it into {path} instead")
    from layerprof.sweeping.plans import read_plan

    return read_plan(path)


def _batch_plan(options: Mapping[str, str | int]) -> Plan:
    from layerprof.sweeping import plans

    model, sizes = str(options.get("model", "blip2-tiny")), str(options.get("sizes", "1,4,8,16"))
    dtype = options.get("dtype")
    return plans.batch(
        model,
        sizes=_numbers(sizes),
        samples=cast("int", options.get("samples", 16)),
        device=str(options.get("device", "cpu")),
        dtype=None if dtype is None else str(dtype),
    )


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise InputError(f"--sizes takes whole numbers separated by commas, such as 1,4,8; found {text!r}") from error
