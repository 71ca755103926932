"""What every executor is made with, how it is made, and the slots of this machine."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from layerprof.errors import UnavailableError
from layerprof.names import kind_of_device
from layerprof.sweeping.base.jobs import Executor, Slot
from layerprof.sweeping.base.options import ExecutorOptions
from layerprof.sweeping.environments import IsolationAsked, Probed, probe

__all__ = ["ExecutorFactory", "ExecutorOptions", "slots_here"]


class ExecutorFactory(Protocol):
    """Makes an executor, whose context ends what still runs."""

    def __call__(self, devices: tuple[str, ...], options: ExecutorOptions, /) -> AbstractContextManager[Executor]:
        """An executor for a plan's cells.

        Args:
            devices: that the cells ask for, such as ``cpu``, ``cuda`` or ``cuda:1``.
            options: how cells are run.
        """
        ...


def slots_here(devices: tuple[str, ...], *, isolation: IsolationAsked) -> tuple[Slot, ...]:
    """One slot for each device of this machine that is asked for; for any but a CPU a fresh process is asked.

    Args:
        devices: a kind alone, such as ``cuda``, is all of that kind.
        isolation: of the runs, which is part of their environment.

    Raises:
        UnavailableError: when no device is found and a driver does not answer.
    """
    host, slots, reasons = platform.node(), list[Slot](), list[UnavailableError]()
    for kind in dict.fromkeys(map(kind_of_device, devices)):
        try:
            slots.extend(_slots_of(probe(kind, isolation=isolation), host, devices))
        except UnavailableError as error:  # the cells of other kinds can still be measured
            reasons.append(error)
    if reasons and not slots:
        raise reasons[0]
    return tuple(slots)


def _slots_of(probed: Probed, host: str, devices: tuple[str, ...]) -> Iterator[Slot]:
    for found in probed.devices:
        if found.device in devices or kind_of_device(found.device) in devices:
            yield Slot(
                name=f"{host}/{found.device}",
                host=host,
                device=found.device,
                device_type=found.device_type,
                environment=found.environment,
            )
