"""``layerprof sweep``: a plan's cells, measured and kept in a folder, as a table in the terminal and in files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from layerprof.cli.base import (
    GOES_ON,
    ShowsProgress,
    Traceback,
    exit_status,
    is_progress_shown,
    is_told,
    keep_what_is_done,
    say_boards,
    show_sweep,
    write_boards,
)
from layerprof.cli.sweep.plans import plan_named
from layerprof.ledger import SWEEP_FILE

if TYPE_CHECKING:
    from layerprof.sweeping import Plan

_GOES_ON_ANEW = "the same command without --no-resume goes on where this one stopped"
_NOT_BEGUN_ANEW = "nothing was begun anew; the table is of what was there before"

PlanName = Annotated[
    str,
    typer.Argument(metavar="PLAN", help="reference (five tests), batch, a .py file with a `plan`, or a .yaml file."),
]
Model = Annotated[str | None, typer.Option(help="A preset.", show_default="blip2-tiny")]
Samples = Annotated[
    int | None, typer.Option(help="Samples of each data set, in batches.", show_default="16, of reference 300")
]
Sizes = Annotated[str | None, typer.Option(help="Of batch: batch sizes.", show_default="1,4,8,16")]
Source = Annotated[
    str | None,
    typer.Option(
        help="Of reference: where its data sets are: hub, hub@REVISION, sample (offline), or a folder with them.",
        show_default="hub where the model has published weights, else sample",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="Of reference: pretrained, random, or a folder.", show_default="pretrained where data and weights are"
    ),
]
Tests = Annotated[
    str | None,
    typer.Option(
        "--tests", help="Of reference: some of device,batch,image_size,seq_len,optimization.", show_default="all"
    ),
]
Length = Annotated[
    Literal["seq_len", "total_tokens", "new_tokens"] | None,
    typer.Option(help="Of reference: what the text length limits.", show_default="seq_len"),
]
Device = Annotated[
    str | None,
    typer.Option(help="Such as cpu, cuda or cuda:1.", show_default="cpu; of reference cuda where there is one"),
]
Dtype = Annotated[
    str | None,
    typer.Option(
        help="fp32, bf16 or fp16. Of reference: of all tests but that of the device.",
        show_default="the model's own; of reference fp16 on a GPU",
    ),
]
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
Trace = Annotated[bool, typer.Option("--trace", help="Keep a timeline of every run, and leave TensorBoard's files.")]
Resume = Annotated[bool, typer.Option(help="Leave runs that are done in the folder as they are.")]


def sweep(
    plan: PlanName,
    out: Out,
    model: Model = None,
    samples: Samples = None,
    sizes: Sizes = None,
    source: Source = None,
    weights: Weights = None,
    tests: Tests = None,
    length: Length = None,
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
    """Measure a model over an axis, such as its batch sizes, or in all tests of the reference report."""
    options = {
        **{"model": model, "samples": samples, "sizes": sizes, "dtype": dtype, "device": device},
        **{"source": source, "weights": weights, "tests": tests, "length": length},
    }
    before = _begun_at_ns(out)
    try:
        from layerprof import sweeping

        resolved = plan_named(plan, {name: value for name, value in options.items() if value is not None})
        resolved = _adjusted(resolved, rounds=rounds, timeout_s=timeout, is_quick=quick, has_trace=trace)
        record = sweeping.sweep(resolved, out, executor=executor, resume=resume, progress=is_told(progress))
    except KeyboardInterrupt as interrupt:
        anew = _GOES_ON_ANEW if _begun_at_ns(out) != before else _NOT_BEGUN_ANEW
        return keep_what_is_done(out, interrupt, advice=GOES_ON if resume else anew)
    show_sweep(record, out)
    if any(cell.axes.get("trace") for cell in record.cells):
        write_boards(record, out, is_progress_shown=is_progress_shown(progress))
        say_boards(out)
    return exit_status(record)


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
