"""What a cell asks of its place, brought about and then looked at: threads, a device of some type.

A row says what was in force or it is a failure; nothing is taken for granted because it was asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils._pytree import tree_leaves

from layerprof import machine
from layerprof.errors import InputError
from layerprof.host import cpu_type, usable_cores
from layerprof.models.base import parse_device
from layerprof.progress import Show
from layerprof.records import CellFailure, Profile
from layerprof.sweeping.base import PlannedCell
from layerprof.sweeping.base.refusals import RefusedError
from layerprof.sweeping.base.workload import Workload, load_workload

_CPU = torch.device("cpu")


@contextmanager
def threads_of(count: int | None) -> Iterator[None]:
    """The block in which torch has so many intra-op threads; afterwards it has as many as before, whoever set others.

    Args:
        count: of threads; None leaves them as they are.

    Raises:
        InputError: when there are more of them than cores.
    """
    if count is not None and count > usable_cores():
        raise InputError(
            f"{count} threads were asked for and this process may use {usable_cores()} cores; ask for less"
        )
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def require_threads(asked: int | None, in_force: int, partial: Profile) -> None:
    """Returns where the threads asked for were in force while the model was measured, or none were asked for.

    Raises:
        RefusedError: where the model has set others.
    """
    if asked is not None and in_force != asked:
        text = (
            f"{asked} threads were asked for and the model set {in_force} threads itself; ask for none, or take that "
            f"out of the model"
        )
        raise RefusedError(CellFailure(kind="unsupported", text=text), partial)


def built(cell: PlannedCell, tell: Show) -> Workload:
    """The model and its batches, once it is known that they are on the device and of the kind that was asked for.

    Args:
        cell: what to build.
        tell: is called while samples are fetched.

    Raises:
        InputError: as `load_workload` does.
        UnavailableError: likewise.
        RefusedError: where the device is another.
    """
    settings = cell.settings
    if settings.device is not None:
        _require_type(parse_device(settings.device), settings.device_type)
    workload = load_workload(cell.model, settings, tell=lambda done, total: tell("samples", done, total))
    if settings.device is None:
        _require_on_cpu(cell.model, workload)
        _require_type(_CPU, settings.device_type)
    return workload


def _require_on_cpu(name: str, workload: Workload) -> None:
    """Returns where nothing of a model or its inputs is elsewhere: its row would be one of this machine's processor."""
    own = itertools.chain(workload.model.parameters(), workload.model.buffers())
    leaves = itertools.chain(own, *(tree_leaves(batch) for batch in workload.batches))
    places = (leaf.device for leaf in leaves if isinstance(leaf, torch.Tensor))
    place = next((place for place in places if place.type != _CPU.type), None)
    if place is not None:
        text = f"{name} put itself on {place}, and a cell that names no device is the CPU's; set `device: {place.type}`"
        raise RefusedError(CellFailure(kind="wrong_device", text=text))


def _require_type(device: torch.device, asked: str | None) -> None:
    """Returns where the device's own name has in it what was asked for; of a CPU also its label."""
    if asked is None:
        return
    found = cpu_type() if device.type == "cpu" else machine.device_name(device)
    if asked.casefold() not in found.casefold():
        text = f"a device of type {asked!r} was asked for and {device} is {found!r}"
        raise RefusedError(CellFailure(kind="wrong_device", text=text))
