"""Formulas that users add for ops of their own: custom ops, Triton kernels, third-party attention."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping

import torch
from torch._library.custom_ops import CustomOpDef
from torch._ops import HigherOrderOperator, OpOverload, OpOverloadPacket

from layerprof.errors import InputError
from layerprof.flops.base import Flops, Formula, OpCall

ShapeFormula = Callable[..., "int | tuple[int, int] | None"]

_HIGHER_ORDER = "higher_order"  # the library of torch.ops in which higher-order ops are; they are called by name alone
_NAME = re.compile(r"\w+(::|\.)\w+(\.\w+)?")


def op_name(op: OpOverload | OpOverloadPacket | HigherOrderOperator | CustomOpDef | str) -> str:
    """The name under which a formula is kept: ``my_library.my_op``, without the overload.

    A name may be of a library that is imported later.

    Raises:
        InputError: for anything that does not name an op.
    """
    if isinstance(op, CustomOpDef):
        op = op._opoverload
    if isinstance(op, OpOverload):
        return op._schema.name.replace("::", ".")
    if isinstance(op, OpOverloadPacket | HigherOrderOperator):
        return str(op)
    if isinstance(op, str) and _NAME.fullmatch(op):
        library, name, *overload = op.replace("::", ".").split(".")
        if not _exists(library, name, *overload) and _is_known(library):
            raise InputError(f"no op is called {op!r}; correct its name, or define the op first")
        return name if library == _HIGHER_ORDER else f"{library}.{name}"
    raise InputError(
        "an op is torch.ops.library.name, or its name 'library::name'; "
        f"found {op!r}; a function or a kernel becomes an op by torch.library.custom_op or triton_op"
    )


def _exists(library: str, name: str, overload: str | None = None) -> bool:
    packet = getattr(getattr(torch.ops, library), name, None)
    return packet is not None and (overload is None or hasattr(packet, overload))


def _is_known(library: str) -> bool:
    """Whether any op of the library is defined, so that it is known which ones it has."""
    return library == _HIGHER_ORDER or any(
        name.startswith(f"{library}::") for name in torch._C._dispatch_get_all_op_names()
    )


def as_formula(formula: ShapeFormula) -> Formula:
    """A user's formula in our form.

    The user's gets the op's arguments with every tensor replaced by its shape, and ``out_shape`` where it takes one,
    as torch's ``register_flop_formula`` does; it returns FLOPs, a multiply-add being two, or a pair of them (dense,
    causal), or None where it cannot know. Of numbers that are negative or not whole it raises a ``ValueError``.

    Raises:
        InputError: when it cannot be called.
    """
    if not callable(formula):
        raise InputError(f"a FLOP formula is a function of the arguments' shapes; found {type(formula).__name__}")
    takes_output = _takes_out_shape(formula)

    def adapted(call: OpCall) -> Flops | None:
        keywords = {name: _shapes(value) for name, value in _keywords(call).items()}
        if takes_output:
            keywords["out_shape"] = _shapes(call.output)
        return _as_flops(formula(*map(_shapes, call.args), **keywords))

    return adapted


def _keywords(call: OpCall) -> dict[str, object]:
    """The arguments given by name: all but the first, where those are the positional ones under their names."""
    names = list(call.named)[: len(call.args)]
    are_positional = len(names) == len(call.args) and all(
        call.named[name] is value for name, value in zip(names, call.args, strict=True)
    )
    return {name: value for name, value in call.named.items() if not (are_positional and name in names)}


def _as_flops(result: int | tuple[int, int] | None) -> Flops | None:
    if result is None:
        return None
    if isinstance(result, tuple):
        dense, causal = result
        return Flops(_whole(dense), _whole(causal))
    return Flops.same(_whole(result))


def _whole(number: float) -> int:
    whole = int(number)
    if whole != number or whole < 0:
        raise ValueError(f"it gave {number!r}; FLOPs are whole and not negative")
    return whole


def _takes_out_shape(formula: ShapeFormula) -> bool:
    parameters = inspect.signature(formula).parameters
    return "out_shape" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _shapes(value: object) -> object:
    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    if isinstance(value, Mapping):
        return {name: _shapes(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_shapes(one) for one in value]
    return tuple(map(_shapes, value)) if isinstance(value, tuple) else value
