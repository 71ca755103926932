"""The modes of torch that a call ran under, and the block in which they are in force again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch.backends import cuda as attention


@dataclass(frozen=True, slots=True, kw_only=True)
class AutocastState:
    """Autocast of one type of device.

    Attributes:
        device_type: such as ``cpu``.
        is_enabled: whether it is on.
        dtype: that it casts to.
        is_caching: whether weights that were cast are kept.
    """

    device_type: str
    is_enabled: bool
    dtype: torch.dtype
    is_caching: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Modes of torch at one moment.

    Attributes:
        is_grad_enabled, is_inference: of autograd.
        autocast: of the CPU and of the model's type of device.
        attention: whether flash, memory-efficient, plain and cuDNN kernels may be taken for attention.
    """

    is_grad_enabled: bool
    is_inference: bool
    autocast: tuple[AutocastState, ...]
    attention: tuple[bool, bool, bool, bool]

    @property
    def is_casting(self) -> bool:
        """Whether weights are cast, and what was cast is kept."""
        return any(state.is_enabled and state.is_caching for state in self.autocast)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """The block in which they are as they were then; afterwards all are as before it."""
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode(self.is_inference))
            stack.enter_context(torch.set_grad_enabled(self.is_grad_enabled))  # inference mode sets it too
            for state in self.autocast:
                stack.enter_context(_autocast(state))
            stack.callback(_allow_attention, _attention_now())
            _allow_attention(self.attention)
            yield


def conditions_now(device: torch.device) -> Conditions:
    """The modes on this thread.

    Args:
        device: the model's.
    """
    return Conditions(
        is_grad_enabled=torch.is_grad_enabled(),
        is_inference=torch.is_inference_mode_enabled(),
        autocast=tuple(_autocast_now(device_type) for device_type in sorted({"cpu", device.type})),
        attention=_attention_now(),
    )


def _autocast(state: AutocastState) -> torch.autocast:
    return torch.autocast(
        state.device_type, dtype=state.dtype, enabled=state.is_enabled, cache_enabled=state.is_caching
    )


def _autocast_now(device_type: str) -> AutocastState:
    return AutocastState(
        device_type=device_type,
        is_enabled=torch.is_autocast_enabled(device_type),
        dtype=torch.get_autocast_dtype(device_type),
        is_caching=torch.is_autocast_cache_enabled(),
    )


def _attention_now() -> tuple[bool, bool, bool, bool]:
    return (
        attention.flash_sdp_enabled(),
        attention.mem_efficient_sdp_enabled(),
        attention.math_sdp_enabled(),
        attention.cudnn_sdp_enabled(),
    )


def _allow_attention(allowed: tuple[bool, bool, bool, bool]) -> None:
    attention.enable_flash_sdp(allowed[0])
    attention.enable_mem_efficient_sdp(allowed[1])
    attention.enable_math_sdp(allowed[2])
    attention.enable_cudnn_sdp(allowed[3])
