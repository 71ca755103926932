"""One reading of NVML: of the energy counter or of instant power, asked again where it says nothing for a moment."""

from __future__ import annotations

from collections.abc import Callable

from layerprof.energy.base import SourceError
from layerprof.energy.sources.nvml.base import (
    NO_DATA,
    NOT_READY,
    NOT_SUPPORTED,
    SUCCESS,
    TIMEOUT,
    UNKNOWN,
    Nvml,
    NvmlError,
    source_error,
)

GPU_SCOPE, MODULE_SCOPE = 0, 1  # NVML_POWER_SCOPE_GPU, NVML_POWER_SCOPE_MODULE

_POWER_INSTANT = 186  # NVML_FI_DEV_POWER_INSTANT: "Current GPU power, supported on all architectures"
_MILLI = 1e-3
# A sensor that is asked too fast may say 0 or that it is not supported, and a moment later be right again.
_PASSING = frozenset({NOT_SUPPORTED, TIMEOUT, NO_DATA, NOT_READY, UNKNOWN})
_ATTEMPTS = 5
_PAUSE_S = 0.002
# Source: nvml.h, nvmlValueType_t and nvmlValue_t.
_MEMBER_OF_TYPE = {0: "dVal", 1: "uiVal", 2: "ulVal", 3: "ullVal", 4: "sllVal", 5: "siVal", 6: "usVal"}


def energy_j(nvml: Nvml, handle: object) -> float:
    """The counter of the GPU: joules since the driver was loaded.

    Raises:
        NvmlError: where NVML does not answer.

    Source:
        nvml.h, nvmlDeviceGetTotalEnergyConsumption: millijoules, Volta and newer.
    """
    return nvml.number("nvmlDeviceGetTotalEnergyConsumption", handle) * _MILLI


def power_w(nvml: Nvml, handle: object, scope: int) -> float:
    """Power of this instant, as a field: the plain function is an average over a second on most parts since Ampere.

    Args:
        nvml: that is asked.
        handle: of the board.
        scope: the GPU, or the module with the processor beside it.

    Raises:
        NvmlError: where NVML does not answer, as a whole or for this field.
    """
    answers = nvml.call("nvmlDeviceGetFieldValues", handle, [(_POWER_INSTANT, scope)])
    try:
        field = answers[0]  # type: ignore[index]  # a C array, which pynvml has no type for
        returned, value_type, union = int(field.nvmlReturn), int(field.valueType), field.value
    except (TypeError, IndexError, AttributeError) as error:
        raise NvmlError(UNKNOWN, f"fields of power are not as expected: {error}") from error
    if returned != SUCCESS:
        raise NvmlError(returned, f"error {returned} for the field of instant power")
    member = _MEMBER_OF_TYPE.get(value_type)
    if member is None:
        raise NvmlError(UNKNOWN, f"instant power is of the unknown type {value_type}")
    return float(getattr(union, member)) * _MILLI


def lasting(read: Callable[[], float], pause: Callable[[float], None], what: str) -> float:
    """A reading that is above 0, after a few attempts.

    Args:
        read: takes it.
        pause: waits so many seconds.
        what: is read, for the message.

    Raises:
        SourceError: where NVML refuses for good, or does not come back.
    """
    failure = SourceError("counter_frozen", f"{what} is of no use: it says 0, {_ATTEMPTS} times in a row")
    for attempt in range(_ATTEMPTS):
        if attempt:
            pause(_PAUSE_S)
        try:
            value = read()
        except NvmlError as error:
            failure = source_error(error, f"{what} does not answer")
            failure.__cause__ = error
            if error.value not in _PASSING:
                break
        else:
            if value > 0.0:
                return value
    raise failure
