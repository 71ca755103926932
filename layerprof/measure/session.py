"""Leave no trace: mode, gradients and random state are as before, whatever happened in between."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def quiet_session(model: nn.Module, *, train: bool) -> Iterator[None]:
    """The block in which a model is measured: train or eval mode, gradients on or off, all restored afterwards."""
    with ExitStack() as stack:
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
