"""How much memory copies may take that are only made to compare with, or to put back."""

from __future__ import annotations

import torch

from layerprof.machine import available_bytes

_SHARE_OF_FREE = 0.25
_BUDGET_BYTES = 2**30  # where nobody knows what is free


def copies_budget_bytes(device: torch.device) -> int:
    """A quarter of what is free on a device."""
    free_bytes = available_bytes(device)
    return _BUDGET_BYTES if free_bytes is None else int(_SHARE_OF_FREE * free_bytes)
