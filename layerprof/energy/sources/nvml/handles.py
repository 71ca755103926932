"""Which of NVML's devices is meant: by UUID, else by PCI bus id, never by index.

CUDA and NVML number GPUs in different orders, and ``CUDA_VISIBLE_DEVICES`` renumbers CUDA's alone. Torch gives a UUID
without its prefix; that of a part of a GPU (MIG) names the part, and the board around it is what has a counter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layerprof.energy.base import SourceError
from layerprof.energy.sources.nvml.base import (
    INVALID_ARGUMENT,
    NO_PERMISSION,
    NOT_FOUND,
    Nvml,
    NvmlError,
    source_error,
    text_of,
)

if TYPE_CHECKING:
    from layerprof.energy.sources.base import DeviceAsked

_BOARD, _PART = "GPU-", "MIG-"
_RAW_UUID_BYTES = 16
_OLD_PART = re.compile(r"MIG-(GPU-[0-9a-fA-F-]+)/\d+/\d+")  # of drivers before 470: the board's, and two numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A GPU's board in NVML.

    Attributes:
        handle: NVML's.
        uuid: the board's own.
        matched_by: the id that it was found by.
        is_part_asked: whether a part of it (MIG) was asked for.
    """

    handle: object
    uuid: str
    matched_by: str
    is_part_asked: bool


def board_of(nvml: Nvml, asked: DeviceAsked) -> Board:
    """The board of the device that is asked for.

    Raises:
        SourceError: where NVML knows none of its ids.
    """
    ids = list(_ids_of(asked))
    if not ids:
        text = "NVML cannot find the device: torch gives neither a UUID nor a PCI bus id of it; update torch"
        raise SourceError("unsupported_device", text)
    errors: list[NvmlError] = []
    for function, identifier in ids:
        try:
            return _board(nvml, nvml.call(function, identifier), identifier)
        except NvmlError as error:
            errors.append(error)
    tried = ", ".join(identifier for _, identifier in ids)
    telling = min(errors, key=_rank_of)
    raise source_error(telling, f"NVML gives no device with {tried}") from telling


def _rank_of(error: NvmlError) -> int:
    """Low where it says much: a device that may not be asked is there, whatever its other ids are answered with."""
    if error.value == NO_PERMISSION:
        return 0
    return 2 if error.value in (NOT_FOUND, INVALID_ARGUMENT) else 1


def uuids_of(uuid: str | bytes | None) -> tuple[str, ...]:
    """The UUIDs that a device may have in NVML, given what torch, CUDA or a user calls it.

    Args:
        uuid: with or without prefix; text, the text's bytes, or the 16 bytes themselves.
    """
    if isinstance(uuid, bytes) and len(uuid) == _RAW_UUID_BYTES:
        digits = uuid.hex()
        uuid = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    text = text_of(uuid) if uuid is not None else ""
    if not text:
        return ()
    old_part = _OLD_PART.fullmatch(text)
    if old_part is not None:
        return text, old_part[1]
    if text.upper().startswith((_BOARD, _PART)):
        return (text[:4].upper() + text[4:],)
    return _BOARD + text, _PART + text


def _ids_of(asked: DeviceAsked) -> Iterator[tuple[str, str]]:
    """Functions of NVML, and what to call each with."""
    for uuid in uuids_of(asked.uuid):
        yield "nvmlDeviceGetHandleByUUID", uuid
    if asked.pci_bus_id:
        yield "nvmlDeviceGetHandleByPciBusId", asked.pci_bus_id


def _board(nvml: Nvml, handle: object, identifier: str) -> Board:
    """The board itself, or the one around a part.

    Raises:
        NvmlError: where the board around a part is not given.
    """
    is_part = bool(nvml.number_or_none("nvmlDeviceIsMigDeviceHandle", handle))
    if is_part:
        handle = nvml.call("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", handle)
    uuid = nvml.words_or_none("nvmlDeviceGetUUID", handle) or identifier
    return Board(handle=handle, uuid=uuid, matched_by=identifier, is_part_asked=is_part)
