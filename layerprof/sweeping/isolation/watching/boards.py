"""A GPU read once a second while a cell is measured: clock, what holds it down, and who computes on it.

It is asked from the sweep's own process, which waits anyway, and found by its UUID, as torch in the cell gives it.
Importing this loads no torch.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import ModuleType
from typing import Any

from layerprof.sweeping.isolation.base import BoardReading

READ_EVERY_S = 1.0  # each asks the driver, which the cell shares

_SM_CLOCK = 1  # NVML_CLOCK_SM
# The names without "Throttle" are the newer; the older go away with CUDA 14. Source: remarks in nvidia-ml-py.
_REASONS = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
# The name without a version stands for the newest, which older drivers do not have.
_PROCESSES = ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetComputeRunningProcesses_v2")


class BoardReader:
    """One GPU, by its UUID.

    Args:
        uuid: with or without its prefix.
        module: ``pynvml``; None imports it.

    A board that is not found, or a driver that does not answer, gives readings of which all is None.
    """

    def __init__(self, uuid: str, *, module: ModuleType | None = None) -> None:
        self._module: Any = module or _imported()
        self._handle: Any = None
        self._is_begun = self._ask("nvmlInit") is not _NO_ANSWER if self._module is not None else False
        for name in (uuid,) if uuid.startswith(("GPU-", "MIG-")) else (f"GPU-{uuid}", f"MIG-{uuid}"):
            handle = self._ask("nvmlDeviceGetHandleByUUID", name) if self._is_begun else _NO_ANSWER
            if handle is not _NO_ANSWER:
                self._handle = handle
                break

    def read(self) -> BoardReading:
        """The board now."""
        if self._handle is None:
            return BoardReading()
        clock, most = (
            self._first(int, (name,), _SM_CLOCK) for name in ("nvmlDeviceGetClockInfo", "nvmlDeviceGetMaxClockInfo")
        )
        listed = self._first(list, _PROCESSES)
        return BoardReading(
            clock_ratio=None if clock is None or not most else clock / most,
            reasons=self._first(int, _REASONS),
            pids=None if listed is None else frozenset(process.pid for process in listed),
        )

    def close(self) -> None:
        """Lets go of NVML."""
        if self._is_begun:
            self._is_begun, self._handle = False, None
            self._ask("nvmlShutdown")

    def _first(self, kind: type[Any], names: Iterable[str], *arguments: object) -> Any:
        """The first answer of the wanted type that a function gives about the board, or None."""
        answers = (self._ask(name, self._handle, *arguments) for name in names)
        return next((answer for answer in answers if isinstance(answer, kind)), None)

    def _ask(self, name: str, *arguments: object) -> Any:
        function: Callable[..., object] | None = getattr(self._module, name, None)
        if function is None:
            return _NO_ANSWER
        with suppress(Exception):  # errors of the driver, of the bindings, or of their versions
            return function(*arguments)
        return _NO_ANSWER


class _NoAnswer:
    """In the place of an answer; None is one."""


_NO_ANSWER = _NoAnswer()


def _imported() -> ModuleType | None:
    with suppress(ImportError), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of the distribution that is named pynvml
        return importlib.import_module("pynvml")
    return None
