"""Formulas that users add for ops of their own: custom ops, Triton kernels, third-party attention."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
from torch._ops import OpOverload, OpOverloadPacket

from layerprof.errors import InputError
from layerprof.flops.base import Flops, Formula, OpCall

ShapeFormula = Callable[..., int]


def op_name(op: OpOverload | OpOverloadPacket | str) -> str:
    """The name under which a formula is kept: ``my_library.my_op``, without the overload.

    Raises:
        InputError: for anything that does not name an op.
    """
    if isinstance(op, OpOverload):
        return op._schema.name.replace("::", ".")
    if isinstance(op, OpOverloadPacket):
        return str(op)
    if isinstance(op, str) and op.replace("::", ".").count(".") >= 1:
        namespace, name = op.replace("::", ".").split(".")[:2]
        return f"{namespace}.{name}"
    raise InputError(f"an op is torch.ops.library.name, or its name 'library::name'; found {op!r}")


def as_formula(formula: ShapeFormula) -> Formula:
    """A user's formula in our form.

    The user's gets the op's arguments with every tensor replaced by its shape, and ``out_shape`` where it takes one,
    as torch's ``register_flop_formula`` does; it returns FLOPs, a multiply-add being two.

    Raises:
        InputError: when it cannot be called.
    """
    if not callable(formula):
        raise InputError(f"a FLOP formula is a function of the arguments' shapes; found {type(formula).__name__}")
    takes_output = _takes_out_shape(formula)

    def adapted(call: OpCall) -> Flops:
        positional = {name for name, _ in zip(call.named, call.args, strict=False)}
        keywords = {name: _shapes(value) for name, value in call.named.items() if name not in positional}
        if takes_output:
            keywords["out_shape"] = _shapes(call.output)
        return Flops.same(int(formula(*map(_shapes, call.args), **keywords)))

    return adapted


def _takes_out_shape(formula: ShapeFormula) -> bool:
    parameters = inspect.signature(formula).parameters
    return "out_shape" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _shapes(value: object) -> object:
    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    if isinstance(value, tuple | list):
        return type(value)(map(_shapes, value))
    return value
