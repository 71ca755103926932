"""``layerprof profile``: one model, its tree in the terminal, its reports in a folder."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerprof.cli.base import (
    BOARDS,
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
    require_place,
    say_boards,
    say_saved,
    write_boards,
)
from layerprof.errors import InputError, MeasurementError
from layerprof.output import save
from layerprof.report.text import print_record
from layerprof.store import timeline_path

if TYPE_CHECKING:
    from layerprof.records import AxisValue, EnergyOptions, Profile
    from layerprof.sweeping.base import Settings

_FILES = ("profile.json", "profile.md", "profile.html", "profile.csv")
_TIMELINE_FILE = "profile.timeline.npz"  # beside profile.json, where the ops pass ran
_ROOFLINE_FILE = "roofline.png"  # where there are ceilings, FLOPs and times
_PARTIAL_FILE = "profile.partial.json"  # beside a whole profile that an earlier run left, never in its place
_LAYERS = ("blocks", "leaves", "none")  # that the energy pass knows by name
_DEFAULT_LAYERS = _LAYERS[0]
_NEW_TOKENS = 8  # of a generation, where none are asked for

Model = Annotated[str, typer.Argument(help="A preset (blip2-tiny, blip2-opt-2.7b), or package.module:callable.")]
Task = Annotated[
    str | None, typer.Option(help="Where samples come from: sample, TextVQA, ScienceQA, COCO.", show_default="sample")
]
Source = Annotated[
    str | None, typer.Option(help="Of a task's data set: hub, sample (offline), or a folder.", show_default="hub")
]
BatchSize = Annotated[int | None, typer.Option(help="Samples of one step.", show_default="1")]
TextTokens = Annotated[
    int | None, typer.Option(help="Text tokens of each sample, exactly.", show_default="as they come")
]
ImageSize = Annotated[int | None, typer.Option(help="Pixels a side.", show_default="the model's own")]
Weights = Annotated[str | None, typer.Option(help="random, pretrained, or a folder.", show_default="random")]
Seed = Annotated[int | None, typer.Option(help="Of random weights.", show_default="0")]
Method = Annotated[str | None, typer.Option(help="Call this method, such as generate, instead of the model.")]
NewTokens = Annotated[
    int | None, typer.Option("--max-new-tokens", help="Tokens that generate makes, exactly.", show_default="8")
]
Passes = Annotated[str, typer.Option(help="Of time, ops, flops, memory, energy; the bare pass always runs.")]
Energy = Annotated[
    str | None, typer.Option(help="auto, or estimate:WATTS for an assumption.", show_default="the device's counter")
]
EnergyLayers = Annotated[
    str | None,
    typer.Option(help="blocks, leaves, none (the step alone), or globs with commas.", show_default="blocks"),
]
Carbon = Annotated[
    float | None, typer.Option("--carbon-intensity", help="gCO2e per kWh of your grid.", show_default="no CO2")
]
Warmup = Annotated[int | None, typer.Option(help="Steps before measuring.", show_default="until steady")]
Repeats = Annotated[int | None, typer.Option(help="Measured steps of each pass.", show_default="until steady")]
Depth = Annotated[int | None, typer.Option(min=0, help="Levels of the tree to print.", show_default="all")]
Trace = Annotated[
    bool, typer.Option("--trace", help="Leave traces and TensorBoard's files in --out too; needs the ops pass.")
]
Out = Annotated[Path | None, typer.Option(help="Folder for profile.json, .md, .html, .csv and roofline.png.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What was asked for, checked as far as that goes without building anything."""

    model: str
    settings: Settings
    method: str | None
    method_kwargs: Mapping[str, object]
    passes: tuple[str, ...]
    energy: str
    energy_options: EnergyOptions
    is_progress_shown: bool


def profile(
    model: Model,
    batch_size: BatchSize = None,
    dtype: Dtype = None,
    device: Device = None,
    text_tokens: TextTokens = None,
    image_size: ImageSize = None,
    method: Method = None,
    max_new_tokens: NewTokens = None,
    passes: Passes = "time,ops,flops,memory",
    warmup: Warmup = None,
    repeats: Repeats = None,
    energy: Energy = None,
    energy_layers: EnergyLayers = None,
    carbon_intensity: Carbon = None,
    weights: Weights = None,
    seed: Seed = None,
    task: Task = None,
    source: Source = None,
    depth: Depth = None,
    out: Out = None,
    trace: Trace = False,
    progress: ShowsProgress = None,
    traceback: Traceback = False,
) -> int:
    """Measure one model, layer by layer.

    A preset is run on real pictures and questions. Any other model is named by a callable without arguments that
    returns (model, inputs); of the options for inputs and weights, device, dtype and seed apply to it.
    """
    inputs = {"batch_size": batch_size, "text_tokens": text_tokens, "image_size": image_size}
    data = {"dataset": task, "source": source}
    loading = {"device": device, "dtype": dtype, "weights": weights, "seed": seed}
    steps = {"warmup": warmup, "repeats": repeats}
    if trace:
        _require_traceable(out, passes)
    if out is not None:
        require_place(out, (*_FILES, _TIMELINE_FILE, _ROOFLINE_FILE, _PARTIAL_FILE))
    request = _Request(
        model=model,
        settings=_settings(model, {**inputs, **data, **loading, **steps}),
        method=method,
        method_kwargs=_generation(method, max_new_tokens),
        passes=tuple(name.strip() for name in passes.split(",")),
        energy=energy or "auto",
        energy_options=_energy_options(energy_layers, carbon_intensity),
        is_progress_shown=is_progress_shown(progress),
    )
    try:
        record = _measured(request)
    except MeasurementError as error:
        return _give_up(error, depth=depth, out=out)
    return _finish(record, depth=depth, out=out, boards=out if trace else None)


def _settings(model: str, values: Mapping[str, AxisValue]) -> Settings:
    from layerprof.sweeping.base import settings_of

    return settings_of(model, {name: value for name, value in values.items() if value is not None})


def _generation(method: str | None, max_new_tokens: int | None) -> Mapping[str, object]:
    """What ``generate`` is told: so many tokens, whatever the weights would have liked."""
    if method != "generate":
        if max_new_tokens is not None:
            raise InputError("--max-new-tokens goes with --method generate; give both or neither")
        return {}
    count = _NEW_TOKENS if max_new_tokens is None else max_new_tokens
    if count < 1:
        raise InputError(f"--max-new-tokens is a whole number from 1 up; found {count}")
    return {"max_new_tokens": count, "min_new_tokens": count, "do_sample": False}


def _energy_options(layers: str | None, carbon_g_per_kwh: float | None) -> EnergyOptions:
    from layerprof.records import EnergyOptions

    name = _DEFAULT_LAYERS if layers is None else layers.strip()
    chosen = name if name in _LAYERS else tuple(glob.strip() for glob in name.split(","))
    try:
        return EnergyOptions(layers=chosen, carbon_g_per_kwh=carbon_g_per_kwh)  # type: ignore[arg-type]  # in _LAYERS
    except ValueError as error:
        raise InputError(f"--carbon-intensity or --energy-layers: {error}") from error


def _measured(request: _Request) -> Profile:
    from layerprof import profiling
    from layerprof.profiling.base import checked_passes
    from layerprof.progress import progress_bar
    from layerprof.sweeping.base.workload import labelled, load_workload

    passes = checked_passes(request.passes)
    generation = {name: str(value) for name, value in request.method_kwargs.items()}
    with progress_bar("layerprof", is_shown=request.is_progress_shown) as show:
        show(f"building {request.model}", 0, None)
        workload = load_workload(request.model, request.settings)
    labels = {**workload.labels, **generation}
    try:
        record = profiling.profile(
            workload.model,
            workload.placed(workload.batches[0]),
            method=request.method,
            method_kwargs=request.method_kwargs,
            passes=passes,
            warmup=request.settings.warmup,
            repeats=request.settings.repeats,
            energy=request.energy,
            energy_options=replace(request.energy_options, samples=workload.samples),
            progress=request.is_progress_shown,
        )
    except MeasurementError as error:
        error.partial = None if error.partial is None else labelled(error.partial, labels)
        raise
    return labelled(record, labels)


def _give_up(error: MeasurementError, *, depth: int | None, out: Path | None) -> int:
    """Keeps what was measured; Ctrl-C also shows it, and any other error goes on its way."""
    partial = error.partial
    has_steps = partial is not None and partial.latency_s is not None
    where = ""
    if partial is not None and has_steps and out is not None:
        save(partial, out / _PARTIAL_FILE)
        where = f"; what was measured is in {out / _PARTIAL_FILE}"
    if not isinstance(error, KeyboardInterrupt):
        raise MeasurementError(f"{error}{where}", partial=partial) from error.__cause__
    if partial is not None and has_steps:
        print_record(partial, console(), max_depth=depth)
    complain(f"by Ctrl-C{where}", kind="interrupted")
    return INTERRUPTED


def _require_traceable(out: Path | None, passes: str) -> None:
    if out is None:
        raise InputError("--trace leaves files and there is no folder for them; add --out FOLDER")
    if "ops" not in (name.strip() for name in passes.split(",")):
        raise InputError(f"--trace shows what the ops pass records and --passes is {passes}; add ops to it")
    if (out / BOARDS).exists() and not (out / BOARDS).is_dir():
        raise InputError(f"--trace writes into {out / BOARDS}, which is no folder; choose another --out")


def _finish(record: Profile, *, depth: int | None, out: Path | None, boards: Path | None) -> int:
    """Saves, then shows: what was measured is safe before anything is printed."""
    saved = [] if out is None else _saved(record, out)
    print_record(record, console(), max_depth=depth)
    if out is not None:
        say_saved(out, saved)
    if boards is not None:  # last: it can be made again of what is saved
        sys.stdout.flush()
        write_boards(record, boards)
        say_boards(boards)
    failed = [check for check in record.checks if not check.ok]
    for check in failed:
        complain(f"{check.name}: {check.detail}", kind="check failed")
    return CHECK_FAILED if failed else DONE


def _saved(record: Profile, out: Path) -> list[Path]:
    """The files of a whole profile; what an earlier run left beside them, and this one has not, is removed."""
    for name in _FILES:
        save(record, out / name)
    for leftover in (out / _PARTIAL_FILE, timeline_path(out / _PARTIAL_FILE)):
        leftover.unlink(missing_ok=True)
    timeline = [_TIMELINE_FILE] if record.timeline is not None else []
    return [*(out / name for name in (*_FILES, *timeline)), *_drawn(record, out / _ROOFLINE_FILE)]


def _drawn(record: Profile, path: Path) -> list[Path]:
    """The roofline's picture, whole or not there; none where the profile has nothing to draw."""
    from layerprof.views import has_roofline

    if not has_roofline(record):
        path.unlink(missing_ok=True)
        return []
    from layerprof.report.plots import save_figure
    from layerprof.report.roofline import roofline_plot

    figure = roofline_plot(record)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".plots-") as temporary:
            return [save_figure(figure, Path(temporary) / path.name).replace(path)]
    except OSError as error:
        raise InputError(f"cannot write the plot to {path.parent}: {error.strerror or error}") from error
