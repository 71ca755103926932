"""How torch rounds single precision: one word of its older settings, or one for each backend of its newer ones."""

from __future__ import annotations

from operator import attrgetter

import torch

_BACKENDS = ("cuda.matmul", "cudnn.conv", "mkldnn.matmul")
_SETTING = "fp32_precision"


def single_precision() -> str:
    """The word of ``torch.get_float32_matmul_precision``, or the newer settings where torch has no such word.

    Limits:
        Once one of the newer settings was changed, torch refuses to say the older word if the two disagree.
    """
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return ", ".join(f"{name}={value}" for name, value in backend_precisions().items())


def backend_precisions() -> dict[str, str]:
    """The newer setting of each backend, under names such as ``cuda.matmul.fp32_precision``; those that torch has."""
    return {f"{name}.{_SETTING}": value for name in _BACKENDS if (value := _precision_of(name)) is not None}


def _precision_of(backend: str) -> str | None:
    try:
        return str(attrgetter(f"{backend}.{_SETTING}")(torch.backends))
    except (AttributeError, RuntimeError):
        return None
