"""``layerprof sweep``: a plan's cells, one after the other, as a table in the terminal and in a folder."""

from __future__ import annotations

import dataclasses
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from layerprof.cli.base import (
    CHECK_FAILED,
    DONE,
    INTERRUPTED,
    Device,
    Dtype,
    ShowsProgress,
    Traceback,
    complain,
    console,
    is_progress_shown,
    say_saved,
    write_sweep_files,
)
from layerprof.errors import InputError, UnavailableError
from layerprof.report.text import print_record
from layerprof.store import SWEEP_FILE, load_sweep

if TYPE_CHECKING:
    from layerprof.records import AxisValue, SweepRecord
    from layerprof.sweeping import Plan

_BATCH = "batch"
_QUICK: Mapping[str, AxisValue] = {"warmup": 1, "repeats": 6}  # six steps: the fewest that give the median an interval
_PLAN_KEYS = ("model", "axes", "fixed", "links", "name")

PlanName = Annotated[str, typer.Argument(metavar="PLAN", help="batch, or a .py file with a `plan`, or a .yaml file.")]
Model = Annotated[str | None, typer.Option(help="A preset.", show_default="blip2-tiny")]
Samples = Annotated[int | None, typer.Option(help="Samples of the data, in batches.", show_default="16")]
Sizes = Annotated[str | None, typer.Option(help="Batch sizes.", show_default="1,4,8,16")]
Out = Annotated[Path, typer.Option(help="The sweep's folder.")]
ExecutorName = Annotated[str, typer.Option("--executor", help="process: a fresh one for each cell; or inline.")]
Quick = Annotated[bool, typer.Option("--quick", help="One step to warm up and six to measure in every cell.")]
Resume = Annotated[bool, typer.Option(help="Leave cells that are done in the folder as they are.")]


def sweep(
    plan: PlanName,
    out: Out,
    model: Model = None,
    samples: Samples = None,
    sizes: Sizes = None,
    dtype: Dtype = None,
    device: Device = None,
    executor: ExecutorName = "process",
    quick: Quick = False,
    resume: Resume = True,
    progress: ShowsProgress = None,
    traceback: Traceback = False,
) -> int:
    """Measure a model over an axis, such as its batch sizes."""
    from layerprof import sweeping

    options = {"model": model, "samples": samples, "sizes": sizes, "dtype": dtype, "device": device}
    resolved = _plan(plan, {name: value for name, value in options.items() if value is not None})
    if quick:
        resolved = dataclasses.replace(resolved, fixed={**resolved.fixed, **_QUICK})
    try:
        record = sweeping.sweep(resolved, out, executor=executor, resume=resume, progress=is_progress_shown(progress))
    except KeyboardInterrupt:
        return _keep_what_is_done(out)
    _show(record, out)
    return CHECK_FAILED if any(cell.status == "failed" for cell in record.cells) else DONE


def _keep_what_is_done(out: Path) -> int:
    if (out / SWEEP_FILE).is_file():
        _show(load_sweep(out), out)
        complain("by Ctrl-C; the same command goes on where this one stopped", kind="interrupted")
    return INTERRUPTED


def _show(record: SweepRecord, out: Path) -> None:
    paths = write_sweep_files(record, out)
    print_record(record, console())
    say_saved(out, paths)


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
    return _python_plan(path) if path.suffix == ".py" else _yaml_plan(path)


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


def _python_plan(path: Path) -> Plan:
    from layerprof.sweeping import Plan

    try:
        found = runpy.run_path(str(path)).get("plan")
    except InputError:
        raise
    except Exception as error:  # a user's file may raise anything
        raise InputError(f"{path} could not be run: {type(error).__name__}: {error}") from error
    if not isinstance(found, Plan):
        raise InputError(f"{path} has no `plan` that is a layerprof.Plan; found {type(found).__name__}")
    return found


def _yaml_plan(path: Path) -> Plan:
    import yaml

    from layerprof.sweeping import Plan

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} could not be read as YAML: {error}") from error
    if not isinstance(content, dict) or not {"model", "axes"} <= set(content) <= set(_PLAN_KEYS):
        raise InputError(f"{path} has to be a mapping of {', '.join(_PLAN_KEYS)}, the first two at least")
    return Plan(**content)
