"""Leave no trace: mode, gradients and random state are as before, whatever happened in between; one at a time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

import numpy as np
import torch
from torch import nn

from layerprof.errors import InputError

_is_measuring: ContextVar[bool] = ContextVar("is_measuring", default=False)


@contextmanager
def only_measurement() -> Iterator[None]:
    """The block of a measurement, in which no other may begin: it would be inside the window of the first.

    Raises:
        InputError: when one is running around this one.
    """
    if _is_measuring.get():
        raise InputError(
            "layerprof is measuring already, and this measurement would be part of what it measures; "
            "begin it after the one around it has ended"
        )
    token = _is_measuring.set(True)
    try:
        yield
    finally:
        _is_measuring.reset(token)


@contextmanager
def quiet_session(model: nn.Module, *, train: bool) -> Iterator[None]:
    """The block in which a model is measured: train or eval mode, gradients on or off, all restored afterwards."""
    with ExitStack() as stack:
        stack.enter_context(only_measurement())
        stack.enter_context(_random_state())
        stack.enter_context(_mode(model, train=train))
        stack.enter_context(torch.set_grad_enabled(train))
        yield


@contextmanager
def _mode(model: nn.Module, *, train: bool) -> Iterator[None]:
    """Sets train or eval mode; afterwards every module has its own flag again, frozen ones in a trained model too."""
    flags = [(module, module.training) for module in model.modules()]
    if all(flag == train for _, flag in flags):
        yield
        return
    was_training = model.training
    try:
        model.train(train)  # the model's own method: it may do more than set flags
        yield
    finally:
        model.train(was_training)
        for module, flag in flags:
            module.training = flag


@contextmanager
def _random_state() -> Iterator[None]:
    """Restores the random generators of Python, numpy, torch and its CUDA devices."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
