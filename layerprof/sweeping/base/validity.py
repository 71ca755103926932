"""Which cells cannot be measured, known before anything is started: names that there are not, and settings that clash.

A name that nobody has is an error of the plan. Settings that are good each by itself and impossible together make a
visible row with its reason: they come up where a plan crosses all with all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from layerprof.names import dtype_of, kind_of_device, require_device, require_dtype, require_model
from layerprof.records import CellFailure

if TYPE_CHECKING:
    from layerprof.sweeping.base.cells import PlannedCell

_FLASH = "flash_attention_2"
_OF_FLASH = ("float16", "bfloat16")  # Source: README of Dao-AILab/flash-attention, "Datatype fp16 and bf16"


def require_known(cells: Iterable[PlannedCell]) -> None:
    """Returns where the models, number formats and devices of all cells have names that there are.

    Raises:
        InputError: naming the first that there is not, and those that there are.
    """
    known = list(cells)
    for model in dict.fromkeys(cell.model for cell in known):
        require_model(model)
    for dtype in dict.fromkeys(cell.settings.dtype for cell in known):
        if dtype is not None:
            require_dtype(dtype)
    for device in dict.fromkeys(cell.settings.device for cell in known):
        if device is not None:
            require_device(device)


def reason_to_skip(cell: PlannedCell) -> CellFailure | None:
    """Why the cell cannot be measured anywhere, or None where it may be."""
    return next(_reasons(cell), None)


def _reasons(cell: PlannedCell) -> Iterator[CellFailure]:
    settings = cell.settings
    if settings.samples is not None and settings.samples < settings.batch_size:
        text = f"{settings.samples} samples do not fill a batch of {settings.batch_size}; ask for more samples"
        yield CellFailure(kind="invalid", text=text)
    kind = None if settings.device is None else kind_of_device(settings.device)
    if settings.threads is not None and kind not in (None, "cpu"):
        text = f"threads are a CPU cell's, and this one is on {settings.device}; leave them out there"
        yield CellFailure(kind="invalid", text=text)
    if settings.optimization == _FLASH:
        yield from _reasons_against_flash(cell, kind)


def _reasons_against_flash(cell: PlannedCell, kind: str | None) -> Iterator[CellFailure]:
    if kind == "cpu":
        yield CellFailure(kind="unsupported", text="Flash Attention 2 has no CPU kernels; ask for a CUDA device")
    dtype = dtype_of(cell.model, cell.settings.dtype)
    if dtype is not None and dtype not in _OF_FLASH:
        text = f"Flash Attention 2 takes fp16 or bf16, and this cell is in {dtype}; ask for one of the two"
        yield CellFailure(kind="unsupported", text=text)
