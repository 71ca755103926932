"""Whether a model's weights fit, asked before any is allocated: a machine out of memory kills without a word."""

from __future__ import annotations

from collections.abc import Callable

import torch

from layerprof import units
from layerprof.errors import UnavailableError

AvailableBytes = Callable[[torch.device], int | None]

_HEADROOM = 1.1  # activations, the libraries and the largest tied tensor, which exists twice for a moment


def require_memory(needed_bytes: int, *, device: torch.device, available: AvailableBytes, name: str) -> None:
    """Returns where a model's weights fit on the device with a tenth to spare.

    Raises:
        UnavailableError: when they do not.
    """
    free_bytes = available(device)
    if free_bytes is None or needed_bytes * _HEADROOM <= free_bytes:
        return
    needed, free = (units.with_unit(count, "bytes") for count in (needed_bytes * _HEADROOM, free_bytes))
    raise UnavailableError(
        f"{name} needs {needed} on {device} and {free} are free; "
        f"use dtype='bf16' (half of float32), the preset blip2-tiny, or a machine with more memory"
    )
