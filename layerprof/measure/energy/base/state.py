"""What calls of a unit may leave changed, and the block after which all of it is as before.

buffers, tensors that are attributes or in containers of theirs ─ their values
parameters ─ not copied, for they are as large as the model; whether they were written to
gradients ─ the same objects or none
random generators of Python, numpy, torch and the device
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from layerprof.measure.energy.base.base import tensors_of_module

_LAZY = (nn.UninitializedParameter, nn.UninitializedBuffer)  # that have no values yet


def state_of(module: nn.Module) -> list[torch.Tensor]:
    """Every tensor beside weights that a module and those in it hold, each once: buffers, attributes, in containers."""
    return _weights_and_state(module)[1]


def weights_of(module: nn.Module) -> list[torch.Tensor]:
    """The parameters of a module and those in it, each once, and whatever else lies in their memory."""
    return _weights_and_state(module)[0]


def _weights_and_state(module: nn.Module) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    tensors = [tensor for tensor in tensors_of_module(module) if not isinstance(tensor, _LAZY)]
    memory = {_memory(tensor) for tensor in tensors if isinstance(tensor, nn.Parameter)} - {None}
    weights: list[torch.Tensor] = []
    state: list[torch.Tensor] = []
    for tensor in tensors:
        is_weight = isinstance(tensor, nn.Parameter) or _memory(tensor) in memory
        (weights if is_weight else state).append(tensor)
    return weights, state


def _memory(tensor: torch.Tensor) -> int | None:
    """Where a tensor's numbers begin; None of one whose numbers are elsewhere than in a single stretch, or nowhere."""
    try:
        return tensor.untyped_storage().data_ptr() or None
    except (NotImplementedError, RuntimeError):  # sparse ones, and some that hold other tensors
        return None


class Versions:
    """How often tensors were written to: all that is known of those too large to be copied.

    Args:
        tensors: that are looked at.

    Limits:
        Writes through ``.data``, and to inference tensors, are not seen.
    """

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        self._entries = [(tensor, _version(tensor)) for tensor in tensors]

    def have_changed(self) -> bool:
        """Whether any was written to since."""
        return any(_version(tensor) != version for tensor, version in self._entries)


class Saved:
    """Values of tensors, to compare with and to put back.

    Args:
        tensors: whose.
        copied: makes a copy of one.
    """

    def __init__(self, tensors: Iterable[torch.Tensor], copied: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._entries = [(tensor, _version(tensor), copied(tensor)) for tensor in tensors]

    def written(self) -> list[torch.Tensor]:
        """Those that were written to since: by their version, and by their values, which ``.data`` changes unseen."""
        return [
            tensor
            for tensor, version, saved in self._entries
            if _version(tensor) != version or not _is_equal(tensor, saved)
        ]

    def value_of(self, tensor: torch.Tensor) -> torch.Tensor:
        """What one of them held."""
        return next(saved for one, _, saved in self._entries if one is tensor)

    def restore(self) -> None:
        """Puts back the values of those that were written to."""
        written = set(map(id, self.written()))
        for tensor, _, saved in self._entries:
            if id(tensor) in written:
                put_back(tensor, saved)


def put_back(tensor: torch.Tensor, saved: torch.Tensor) -> None:
    """Writes values into a tensor; inference tensors may be written to in inference mode alone."""
    with torch.inference_mode(tensor.is_inference()), torch.no_grad():
        tensor.copy_(saved)


def random_state(device: torch.device) -> Sequence[torch.Tensor]:
    """Where torch's random generators are, on the CPU and on the device."""
    return (torch.get_rng_state(), *((torch.cuda.get_rng_state(device),) if device.type == "cuda" else ()))


@contextmanager
def unchanged(
    module: nn.Module,
    tensors: Iterable[torch.Tensor],
    device: torch.device,
    copied: Callable[[torch.Tensor], torch.Tensor],
) -> Iterator[Saved]:
    """The block after which a unit is as before, whatever happened in it; its attributes are somebody else's affair.

    Args:
        module: the unit.
        tensors: those whose values are put back.
        device: whose random generator is put back, beside the CPU's.
        copied: makes a copy of a tensor.
    """
    gradients = [(parameter, parameter.grad) for parameter in module.parameters()]
    saved = Saved(tensors, copied)
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            yield saved
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
            saved.restore()
            for parameter, gradient in gradients:
                parameter.grad = gradient


def _version(tensor: torch.Tensor) -> int:
    """How often a tensor was written to; inference tensors do not count it."""
    return 0 if tensor.is_inference() else tensor._version


def _is_equal(tensor: torch.Tensor, saved: torch.Tensor) -> bool:
    """Whether two hold the same, where NaN is the same as NaN."""
    if torch.equal(tensor, saved):
        return True
    return tensor.is_floating_point() and torch.equal(tensor.nan_to_num(), saved.nan_to_num())
