"""The counter: a dispatch mode that sees every op below autograd and adds its FLOPs to the call that ran it.

It counts on any device and needs no data, only shapes. Composite ops are taken apart until each piece is in one of
the two tables, so nothing is counted twice, and what is in neither is kept by name: a count says what it left out.

Limits: work inside one opaque C++ op (a fused recurrent cell, a custom op) has no FLOPs until a formula is registered
for it, and is listed as uncounted. It must never stand around a compiled callable, which would run eagerly for good.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping

import torch
from torch._ops import HigherOrderOperator, OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from layerprof.errors import MeasurementError
from layerprof.flops.base import Flops, Formula, OpCall, Shape


class FlopCounter(TorchDispatchMode):
    """Counts the FLOPs of every op in its block by where it ran.

    Args:
        where: the number of the place (call path and phase) at this moment, negative under no layer.
        formulas: op name without overload -> its formula.
        zero_ops: names of ops that count as 0.

    Attributes:
        flops: place -> FLOPs.
        causal_flops: place -> FLOPs with causal attention counted as the triangle it needs.
        by_op: op name -> FLOPs.
        by_shapes: (place, op's name as profilers give it, shapes of its tensors) -> FLOPs.
        total, causal_total: of all ops, summed without regard to where they ran.
        uncounted: op name -> place -> calls.
    """

    supports_higher_order_operators = True  # flex attention and torch.cond come here too, instead of failing

    def __init__(self, where: Callable[[], int], *, formulas: Mapping[str, Formula], zero_ops: Collection[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
        self._where = where
        self._formulas = formulas
        self._zero_ops = zero_ops
        self._lock = threading.Lock()
        self.flops: Counter[int] = Counter()
        self.causal_flops: Counter[int] = Counter()
        self.by_op: Counter[str] = Counter()
        self.by_shapes: Counter[tuple[int, str, tuple[Shape, ...]]] = Counter()
        self.total = 0
        self.causal_total = 0
        self.uncounted: dict[str, Counter[int]] = {}

    def __torch_dispatch__(
        self,
        func: OpOverload | HigherOrderOperator,
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Runs the op, or the pieces it is made of, and counts it."""
        named = kwargs or {}
        formula = self._formulas.get(packet_name(func))
        is_zero = formula is None and packet_name(func) in self._zero_ops
        if formula is None and not is_zero and isinstance(func, OpOverload):
            pieces = self._decomposed(func, args, named)
            if pieces is not NotImplemented:
                return pieces
        output: object = func(*args, **named)
        if not is_zero and not (formula and self._is_counted(func, formula, args, named, output)):
            with self._lock:
                self.uncounted.setdefault(str(func), Counter())[self._where()] += 1
        return output

    def _decomposed(self, func: OpOverload, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
        """The op run piece by piece under this mode; NotImplemented where it is not a composite of others.

        Under inference mode composite ops arrive whole.
        """
        with self:
            return func.decompose(*args, **kwargs)

    def _is_counted(
        self,
        func: OpOverload | HigherOrderOperator,
        formula: Formula,
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        output: object,
    ) -> bool:
        """Adds the op's FLOPs; False for ragged batches, whose shapes are no numbers, so that they are not known."""
        if any(isinstance(value, torch.Tensor) and value.is_nested for value in (*args, output)):
            return False
        try:
            flops = formula(OpCall(args, _named(func, args, kwargs), output))
        except Exception as error:  # a formula may be the user's: whatever it raises is about the formula
            raise MeasurementError(
                f"the FLOP formula of {func} does not fit its arguments ({error}); "
                "register one that does with layerprof.register_flops"
            ) from error
        counted = Flops(int(flops.dense), int(flops.causal))  # a shape that depends on data raises here
        self._add(func, counted, tuple(_shapes_in_order(func, args, kwargs)))
        return True

    def _add(self, func: OpOverload | HigherOrderOperator, flops: Flops, shapes: tuple[Shape, ...]) -> None:
        place = self._where()
        with self._lock:  # a model may run layers on threads of its own
            self.flops[place] += flops.dense
            self.causal_flops[place] += flops.causal
            self.by_op[str(func)] += flops.dense
            self.by_shapes[place, packet_name(func).replace(".", "::", 1), shapes] += flops.dense
            self.total += flops.dense
            self.causal_total += flops.causal


def _shapes_in_order(
    func: OpOverload | HigherOrderOperator, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> Iterator[Shape]:
    """Shapes of the tensors given, in the order of the op's schema, as profilers record them."""
    named = _named(func, args, kwargs)
    names = [argument.name for argument in func._schema.arguments] if isinstance(func, OpOverload) else list(named)
    values = [named[name] for name in names if name in named] or args
    return (_known_shape(value) for value in values if isinstance(value, torch.Tensor))


def _known_shape(tensor: torch.Tensor) -> Shape:
    """The tensor's shape, -1 where a size is known to nobody before the data is."""
    return tuple(size if isinstance(size, int) else -1 for size in tensor.shape)


def packet_name(func: OpOverload | HigherOrderOperator) -> str:
    """The op's name without its overload: ``aten.mm`` of ``aten.mm.default``."""
    return func._schema.name.replace("::", ".") if isinstance(func, OpOverload) else str(func)


def _named(
    func: OpOverload | HigherOrderOperator, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> dict[str, object]:
    if not isinstance(func, OpOverload):
        return dict(kwargs)
    names = (argument.name for argument in func._schema.arguments)
    return {**dict(zip(names, args, strict=False)), **kwargs}
