"""Which cells cannot be measured, known before anything is started: names that there are not, and settings that clash.

A name that nobody has is an error of the plan. Settings that are good each by itself and impossible together make a
visible row with its reason: they come up where a plan crosses all with all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from layerprof.names import (
    dtype_of,
    is_of_any_model,
    kind_of_device,
    require_device,
    require_dtype,
    require_model,
)
from layerprof.records import CellFailure

if TYPE_CHECKING:
    from layerprof.sweeping.base.cells import PlannedCell

_FLASH, _FLASH_PARTS = "flash_attention_2", "flash_attention_2_parts"
_OF_FLASH = ("float16", "bfloat16")  # Source: README of Dao-AILab/flash-attention, "Datatype fp16 and bf16"
_OF_SDPA_FLASH = _OF_FLASH  # Source: `use_flash_attention` in PyTorch's sdp_utils.cpp, for CUDA

# Of all presets; a test holds them equal to what is built.
IMAGE_TOKENS = 32
PATCH_PIXELS = 14
MOST_POSITIONS = 2048


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
    if not is_of_any_model(cell.model):
        yield from _reasons_against_sizes(cell)
    if settings.optimization in (_FLASH, _FLASH_PARTS):
        yield from _reasons_against_flash(cell, kind)
    yield from _reasons_against_kernels(cell, kind)


def _reasons_against_sizes(cell: PlannedCell) -> Iterator[CellFailure]:
    """Of a preset, whose pictures take a fixed number of tokens and are cut into patches of a fixed size."""
    settings = cell.settings
    if settings.total_tokens is not None and settings.total_tokens <= IMAGE_TOKENS:
        text = (
            f"total_tokens {settings.total_tokens} leaves none for the text: the picture takes {IMAGE_TOKENS} of them; "
            f"ask for more, or limit the text alone by seq_len"
        )
        yield CellFailure(kind="invalid", text=text)
    if settings.image_size is not None and settings.image_size < PATCH_PIXELS:
        text = f"image_size {settings.image_size} is less than one patch of {PATCH_PIXELS} pixels; ask for more"
        yield CellFailure(kind="invalid", text=text)
    answer = settings.max_new_tokens if settings.quality else None
    tokens = IMAGE_TOKENS + (settings.text_tokens or 0) + max(settings.new_tokens or 0, answer or 0)
    if tokens > MOST_POSITIONS:
        text = (
            f"{tokens} tokens, the picture's {IMAGE_TOKENS} included, are more than the {MOST_POSITIONS} that the "
            f"language model holds; ask for less of text_tokens, new_tokens or max_new_tokens"
        )
        yield CellFailure(kind="invalid", text=text)


def _reasons_against_flash(cell: PlannedCell, kind: str | None) -> Iterator[CellFailure]:
    asked = cell.settings.optimization
    if kind == "cpu":
        text = f"Flash Attention 2 has no CPU kernels; ask for a CUDA device, or leave out {asked}"
        yield CellFailure(kind="unsupported", text=text)
    dtype = dtype_of(cell.model, cell.settings.dtype)
    if dtype is not None and dtype not in _OF_FLASH:
        text = f"Flash Attention 2 takes fp16 or bf16, and this cell is in {dtype}; ask for one of the two"
        yield CellFailure(kind="unsupported", text=text)
    if asked == _FLASH and not is_of_any_model(cell.model):
        text = (
            f"{_FLASH} is refused for {cell.model} as a whole, because its Q-Former does not support it; "
            f"{_FLASH_PARTS} sets it in the vision tower and the language model"
        )
        yield CellFailure(kind="unsupported", text=text)


def _reasons_against_kernels(cell: PlannedCell, kind: str | None) -> Iterator[CellFailure]:
    """Of a single kernel of PyTorch's own."""
    asked = cell.settings.optimization
    if asked == "sdpa_efficient" and kind == "cpu":
        text = "PyTorch has no memory-efficient attention kernel for CPUs; ask for sdpa_flash, or for a CUDA device"
        yield CellFailure(kind="unsupported", text=text)
    dtype = dtype_of(cell.model, cell.settings.dtype)
    if asked != "sdpa_flash" or kind != "cuda" or dtype is None:
        return
    if dtype not in _OF_SDPA_FLASH:
        text = f"PyTorch's flash kernel for CUDA takes fp16 or bf16, and this cell is in {dtype}; ask for bf16"
        yield CellFailure(kind="unsupported", text=text)
    elif dtype == "float16" and not is_of_any_model(cell.model):
        text = (
            "PyTorch's flash kernel for CUDA takes fp16 or bf16, and of a model in fp16 the Q-Former stays in float32; "
            "ask for bf16"
        )
        yield CellFailure(kind="unsupported", text=text)
