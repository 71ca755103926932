"""A step on fake tensors: shapes, dtypes and devices flow through the model, data does not exist.

    parameters, inputs, buffers     stand-ins without data
    whole numbers, flags            real as long as they are computed from real ones alone: ids, masks, positions
    what is on the meta device      stands in on the CPU, so that code which asks where a tensor is gets an answer

So a model decides by a mask or a length what it decides in a real run, and is refused where it decides by anything that
its weights had a part in. An attention mask on the meta device lets everything through. A generation makes the number
of tokens that was stated: no sequence ends early.

Limits: one count at a time in a process, and nothing else may use the model meanwhile. Tensors that a callable holds on
to itself, as an optimizer does the parameters, are not stood in for: they get no gradients, so that an optimizer's step
does nothing. The model keeps nothing of the step, but global variables and what a callable holds may keep fakes.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_map_only

from layerprof.errors import LayerprofError
from layerprof.flops import FlopCounter
from layerprof.instruments import CallPaths
from layerprof.measure.base import Call, Target, bound_step
from layerprof.measure.faking.base import KnownData
from layerprof.measure.faking.conversion import converting_by_new_parameters
from layerprof.measure.faking.doubles import Doubles
from layerprof.measure.faking.experts import batched_experts
from layerprof.measure.faking.failures import located, refusal
from layerprof.measure.faking.generation import with_full_masks, without_early_end
from layerprof.measure.faking.gradients import Gradients
from layerprof.measure.faking.memo import ShapeMemo
from layerprof.measure.faking.modes import FakeStep
from layerprof.measure.faking.snapshot import afterwards_as_before, afterwards_in_no_cache
from layerprof.measure.faking.standing import put_stand_ins

__all__ = ["one_count_at_a_time", "run_on_fakes"]

_GATHERED = "batched experts, which gather weights that the model's own path does not"
_LOCK = threading.RLock()  # re-entered only by a count inside a count, which the session then refuses


class _Instruments(NamedTuple):
    paths: CallPaths
    counter: FlopCounter


def one_count_at_a_time() -> AbstractContextManager[object]:
    """The block of one count and of looking at its model; another thread's waits: both exchange what modules hold."""
    return _LOCK


def run_on_fakes(call: Call, inputs: object, target: Target, paths: CallPaths, counter: FlopCounter) -> None:
    """Runs the step once with every tensor a fake, the counter above the fakes.

    Args:
        call: what to run.
        inputs: copies of its inputs, which the step may write to.
        target: the model, resolved.
        paths: told that the step begins.
        counter: of FLOPs.

    Raises:
        InputError: when the step is a generation whose length is not stated.
        MeasurementError: when it cannot run on fakes; the text names the layer, the op, the line and the remedy.
    """
    mode = FakeStep(KnownData(), ShapeMemo(), Doubles(), gradients := Gradients())
    with afterwards_in_no_cache(mode), gradients.as_before():
        try:
            _run(call, inputs, target, mode, _Instruments(paths, counter))
        finally:
            mode.forget()


def _run(call: Call, inputs: object, target: Target, mode: FakeStep, instruments: _Instruments) -> None:
    model, (paths, counter) = target.tree.modules[0], instruments
    with ExitStack() as stack:
        if stack.enter_context(batched_experts(model)):
            counter.unsized.add(_GATHERED)
        stack.enter_context(without_early_end(model))
        stack.enter_context(afterwards_as_before(model))
        stack.enter_context(converting_by_new_parameters())
        stack.enter_context(_silent())
        try:
            put_stand_ins(model, mode.held)
            paths.begin()
            step = bound_step(call, tree_map_only(torch.Tensor, mode.input, with_full_masks(inputs)))
            with mode, counter, paths.call(0) if target.root_is_step else nullcontext():
                step()
        except LayerprofError as error:
            raise located(error, target) from error.__cause__
        except Exception as error:
            raise refusal(error, target, mode) from error


@contextmanager
def _silent() -> Iterator[None]:
    """The block in which torch neither logs the traceback of an error that is on its way to the caller, nor warns.

    A layer that is copied asks a fake where its data is, and gets the right answer: nowhere.
    """
    logger = logging.getLogger(FakeTensorMode.__module__)
    was_disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Accessing the data pointer of FakeTensor")
            yield
    finally:
        logger.disabled = was_disabled
