"""Why a step cannot be run on fakes, in one line: the layer, the line of code, the op, and what to do instead.

All of it is read off the exception: a layer's call is a frame of its traceback, whose ``self`` is the module.
"""

from __future__ import annotations

import linecache
import os
import sysconfig
import traceback
from collections.abc import Collection, Iterator
from pathlib import Path
from types import FrameType
from typing import Protocol

import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedOperatorException,
)
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from layerprof.errors import LayerprofError, MeasurementError
from layerprof.measure.base import Target
from layerprof.measure.faking.base import Failure

_NEEDS_DATA = (GuardOnDataDependentSymNode, DataDependentOutputException, DynamicOutputShapeException)
_LONGEST = 160  # characters of somebody else's message: torch's may go on for pages
_REAL_RUN = 'count a real run instead: layerprof.profile(..., passes=("flops",))'
_WITHOUT_DATA = ("numpy() is not supported", "data is not allocated", "access data pointer")  # how torch words it
_WITHOUT_KERNEL = "no fake impl"
_NESTING = "aten._nested_tensor_from_mask.default"  # what an encoder of torch's makes of a batch with padding
_WITHOUT_NESTING = "build nn.TransformerEncoder with enable_nested_tensor=False, which computes the padding too"
_TWO_DEVICES = ("two devices", "two different devices")
_OUTSIDE = tuple(f"{folder}{os.sep}" for folder in (Path(torch.__file__).parent, Path(__file__).parents[2]))
_STANDARD = sysconfig.get_paths()["stdlib"]


class Step(Protocol):
    """What is known of the step on fakes that failed.

    Attributes:
        latest_failure: the op that raised last, whether or not the error is about it.
        op_of_symbol: the op that a number which nobody knows came out of, by the number's symbol.
        lacks_numbers: whether whole numbers among the inputs have no data.
    """

    latest_failure: Failure | None
    op_of_symbol: dict[str, str]
    lacks_numbers: bool


def refusal(error: Exception, target: Target, step: Step) -> MeasurementError:
    """The error for a step that raised ``error``: the layer, the line, the op, the reason and the remedy."""
    frames = list(traceback.walk_tb(error.__traceback__))
    reason, remedy = _reason_and_remedy(error, _op_of(error, step), lacks_numbers=step.lacks_numbers)
    where = ", ".join(filter(None, (_layer(frames, target), _line(frames))))
    name = type(target.tree.modules[0]).__name__
    return MeasurementError(f"{name} cannot be counted on fake tensors {where}: {reason}; {remedy}")


def located(error: LayerprofError, target: Target) -> LayerprofError:
    """The error of ours, about an op or a formula, with the layer that was running; one about the call as it is."""
    if type(error) is not MeasurementError:
        return error
    frames = list(traceback.walk_tb(error.__traceback__))
    where = ", ".join(filter(None, (_layer(frames, target), _line(frames))))
    return MeasurementError(f"{where}: {error}", partial=error.partial)


def _op_of(error: BaseException, step: Step) -> str:
    """The op that the error is about, or nothing where the model's own code raised."""
    if isinstance(error, GuardOnDataDependentSymNode):
        symbols = sorted(map(str, getattr(error.cond, "free_symbols", ())))
        return next((step.op_of_symbol[symbol] for symbol in symbols if symbol in step.op_of_symbol), "")
    failure, chain = step.latest_failure, _chain(error)
    return failure.op if failure is not None and any(one is failure.error for one in chain) else ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__  # not its context: an error that the model has handled is no reason


def _reason_and_remedy(error: Exception, op: str, *, lacks_numbers: bool) -> tuple[str, str]:
    first_line = next(iter(str(error).splitlines()), "")[:_LONGEST]
    told, what = f"{type(error).__name__}: {first_line}", op or "the model's code"
    if op == _NESTING:
        return f"{op} makes a nested tensor, whose shape is data ({told})", f"{_WITHOUT_NESTING}, or {_REAL_RUN}"
    if isinstance(error, _NEEDS_DATA) or any(words in told for words in _WITHOUT_DATA):
        remedy = f"give ids and masks with data, not on the meta device, or {_REAL_RUN}" if lacks_numbers else _REAL_RUN
        return f"{what} asks for data, which fakes do not have ({told})", remedy
    if isinstance(error, UnsupportedOperatorException | NotImplementedError) or _WITHOUT_KERNEL in told:
        remedy = f"register one with torch.library.register_fake, or {_REAL_RUN}"
        return f"{what} has no kernel that says the shape of its result ({told})", remedy
    if any(words in told for words in _TWO_DEVICES):
        return f"{what} met tensors of two devices ({told})", "have the inputs on the model's device"
    return f"{what} failed ({told})", f"try the step without layerprof; if it runs, {_REAL_RUN}"


def _layer(frames: Collection[tuple[FrameType, int]], target: Target) -> str:
    """The innermost layer whose code was running."""
    path_of = {id(module): info.path for module, info in zip(target.tree.modules, target.tree.layers, strict=True)}
    running = [id(frame.f_locals["self"]) for frame, _ in frames if "self" in frame.f_locals]
    paths = [path_of[module] for module in running if module in path_of]
    if not paths:
        return "in no layer"
    return f"in layer {paths[-1]!r}" if paths[-1] else "in the model's own call"


def _line(frames: Collection[tuple[FrameType, int]]) -> str:
    """The innermost line of code that is neither torch's nor ours nor Python's."""
    own = [(frame.f_code.co_filename, number) for frame, number in frames if _is_model_code(frame.f_code.co_filename)]
    if not own:
        return ""
    file, number = own[-1]
    source = " ".join(linecache.getline(file, number).split())[:_LONGEST]
    return f"at {file}:{number} ({source})" if source else f"at {file}:{number}"


def _is_model_code(file: str) -> bool:
    is_standard = file.startswith(_STANDARD) and "site-packages" not in file
    return not (is_standard or file.startswith(_OUTSIDE) or file.startswith("<"))
