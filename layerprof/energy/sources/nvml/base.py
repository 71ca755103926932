"""What all of NVML's part shares: calls that fail in one way, errors and their codes, and a session that is counted."""

from __future__ import annotations

from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING

from layerprof.energy.base import SourceError

if TYPE_CHECKING:
    from layerprof.energy.base import UnavailableCode

# Return codes. Source: nvml.h, nvmlReturn_t.
SUCCESS, INVALID_ARGUMENT, NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND, TIMEOUT = 0, 2, 3, 4, 6, 10
FUNCTION_NOT_FOUND, NO_DATA, NOT_READY, UNKNOWN = 13, 21, 27, 999
_DRIVER_NOT_LOADED, _LIBRARY_NOT_FOUND, _GPU_IS_LOST, _VERSIONS_DIFFER = 9, 12, 15, 18

_GET_DRIVER = "install NVIDIA's driver, or pass the GPU to the container"
_REMEDIES = {
    NOT_SUPPORTED: "it takes a board of Volta or newer and a current driver",
    NO_PERMISSION: (
        "let this user open /dev/nvidia* (its group, often video or render), "
        "or start the container with NVIDIA_DRIVER_CAPABILITIES=utility,compute"
    ),
    NOT_FOUND: "nvidia-smi -L lists those that there are",
    FUNCTION_NOT_FOUND: "update NVIDIA's driver",
    _DRIVER_NOT_LOADED: _GET_DRIVER,
    _LIBRARY_NOT_FOUND: _GET_DRIVER,
    _GPU_IS_LOST: "restart the machine",
    _VERSIONS_DIFFER: "restart the machine, as its driver was updated while it ran",
}


class NvmlError(Exception):
    """A call that NVML or its bindings did not answer.

    Attributes:
        value: NVML's return code.
    """

    def __init__(self, value: int, message: str) -> None:
        super().__init__(message)
        self.value = value


class Nvml:
    """The ``pynvml`` module, whose functions an old one may lack and an old driver may not know.

    Args:
        module: ``pynvml`` as nvidia-ml-py installs it, or what behaves like it.
    """

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        # Not an NVMLError: functions without a version in their name raise it where the driver lacks the newest one.
        mismatch = getattr(module, "NVMLLibraryMismatchError", None)
        self._mismatches: tuple[type[Exception], ...] = () if mismatch is None else (mismatch,)

    def call(self, name: str, *arguments: object) -> object:
        """The answer of a function.

        Raises:
            NvmlError: where there is no such function, or it does not answer.
        """
        function = getattr(self._module, name, None)
        if function is None:
            raise NvmlError(FUNCTION_NOT_FOUND, f"pynvml has no {name}")
        try:
            answer: object = function(*arguments)
        except self._module.NVMLError as error:
            raise NvmlError(int(error.value), str(error)) from error
        except self._mismatches as error:
            raise NvmlError(FUNCTION_NOT_FOUND, f"the driver has no {name} of this pynvml's version") from error
        except UnicodeError as error:
            raise NvmlError(UNKNOWN, f"{name} gave a text that cannot be read") from error
        return answer

    def number(self, name: str, *arguments: object) -> int:
        """The answer of a function that gives a whole number.

        Raises:
            NvmlError: as `call`.
        """
        answer = self.call(name, *arguments)
        value = getattr(answer, "value", answer)  # some functions hand out their C integer itself
        if not isinstance(value, int):
            raise NvmlError(UNKNOWN, f"{name} gave {value!r}")
        return value

    def number_or_none(self, name: str, *arguments: object) -> int | None:
        """As `number`, or None where it is not answered."""
        try:
            return self.number(name, *arguments)
        except NvmlError:
            return None

    def words_or_none(self, name: str, *arguments: object) -> str | None:
        """The answer of a function that gives a text, up to its first NUL; None where it is not answered."""
        try:
            return text_of(self.call(name, *arguments))
        except NvmlError:
            return None


class Session:
    """NVML between its start and its end; it ends when the last one who holds it lets go.

    Args:
        nvml: that is started.

    Raises:
        NvmlError: where it does not start.
    """

    def __init__(self, nvml: Nvml) -> None:
        self._nvml = nvml
        self._lock = Lock()
        nvml.call("nvmlInit")
        self._holders = 1

    def hold(self) -> None:
        """One more who has to let go."""
        with self._lock:
            self._holders += 1

    def release(self) -> None:
        """Lets go; never raises."""
        with self._lock:
            self._holders -= 1
            if self._holders:
                return
        try:
            self._nvml.call("nvmlShutdown")
        except NvmlError:
            return  # a driver that is gone has ended it by itself


def text_of(value: object) -> str:
    """A name from C: bytes or text, up to its first NUL."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.partition("\0")[0].strip()


def source_error(error: NvmlError, what: str) -> SourceError:
    """What a source says when NVML does not answer: what was asked, what NVML says, and what helps."""
    code: UnavailableCode = "permission" if error.value == NO_PERMISSION else "unsupported_device"
    remedy = _REMEDIES.get(error.value)
    return SourceError(code, f"{what}: NVML says {error}" + (f"; {remedy}" if remedy else ""))
