"""``layerprof doctor --ceilings``: what the devices can do at most, measured now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from layerprof.cli.base import console
from layerprof.cli.doctor.base import NO, all_devices, failure_text
from layerprof.errors import UnavailableError

if TYPE_CHECKING:
    import torch
    from rich.table import Table

    from layerprof.records import Ceilings
    from layerprof.units import Quantity

_CPU_FORMATS = ("float64", "float32", "bfloat16", "float16", "int8")
_GPU_FORMATS = ("float64", "float32", "tf32", "bfloat16", "float16", "int8", "float8_e4m3fn")


def print_ceilings(*, is_shown: bool) -> None:
    """Measures every device anew, and prints a table of each."""
    for device in all_devices():
        formats = _CPU_FORMATS if device.type == "cpu" else _GPU_FORMATS
        try:
            measured = _measure(device, formats, is_shown=is_shown)
            if measured is not None:
                print_device(device, measured, formats)
        except RuntimeError as error:
            line = f"\nceilings of {device}  {NO}  {failure_text(error)}"
            console().print(line, markup=False, highlight=False, soft_wrap=True)


def _measure(device: torch.device, formats: tuple[str, ...], *, is_shown: bool) -> Ceilings | None:
    from layerprof import machine
    from layerprof.progress import progress_bar

    names = ("copy", "launch", *formats)
    with progress_bar(f"ceilings of {device}", is_shown=is_shown) as show:

        def tell(name: str) -> None:
            show(name, names.index(name), len(names))

        return machine.ceilings_of(device, formats, refresh=True, tell=tell)


def print_device(device: torch.device, measured: Ceilings, formats: tuple[str, ...]) -> None:
    """Prints what was measured of a device beside what its vendor states, and where it is kept."""
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
