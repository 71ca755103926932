"""The counter: a dispatch mode that sees every op below autograd and adds its work to the call that ran it.

It counts on any device and needs no data, only shapes. Composite ops are taken apart until each piece is in one of
the two tables, so nothing is counted twice, and what is in neither is kept by name: a count says what it left out.

Limits: work inside one opaque C++ op (a fused recurrent cell, a custom op) has no FLOPs until a formula is registered
for it, and is listed as uncounted. It must never stand around a compiled callable, which would run eagerly for good.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch._ops import HigherOrderOperator, OpOverload
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode

from layerprof.errors import MeasurementError
from layerprof.flops.base import Flops, Formula, OpCall, Shape, format_of, least_bytes, packed_in, tensors_in

_NOTHING = Flops(0, 0)
_CALLS_ITS_ARGUMENTS = frozenset({"cond", "map_impl", "scan", "while_loop", "while_loop_stack_output"})


@dataclass(slots=True)
class OpWork:
    """What all calls of one kind of op did: same place, same name, same shapes.

    Attributes:
        flops: a multiply-add being two.
        bytes_moved: least traffic.
        dtype: the format that its products are computed in; None without FLOPs.
    """

    flops: int = 0
    bytes_moved: int = 0
    dtype: str | None = None


class FlopCounter(TorchDispatchMode):
    """Counts the work of every op in its block by where it ran.

    Args:
        where: the number of the place (call path and phase) at this moment, negative under no layer.
        formulas: op name without overload -> its formula.
        zero_ops: names of ops that count as 0.
        describe: what a place is, in words that errors end with, such as ``in layer 'fc1'``.

    Attributes:
        flops: place -> FLOPs.
        causal_flops: place -> FLOPs with causal attention counted as the triangle it needs.
        flops_by_dtype: format -> place -> FLOPs.
        bytes_moved: place -> least traffic.
        launches: place -> ops that move bytes.
        by_op: op name -> FLOPs.
        by_shapes: (place, op's name as profilers give it, shapes of its tensors) -> what such ops did.
        total, causal_total, total_bytes: of all ops, summed without regard to where they ran.
        uncounted: op name -> place -> calls.
        unsized: names of ops whose bytes depend on data, so that the bytes are not known.
    """

    supports_higher_order_operators = True  # flex attention and torch.cond come here too, instead of failing

    def __init__(
        self,
        where: Callable[[], int],
        *,
        formulas: Mapping[str, Formula],
        zero_ops: Collection[str],
        describe: Callable[[int], str] = lambda place: "",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
        self._where = where
        self._describe = describe
        self._formulas = formulas
        self._zero_ops = zero_ops
        self._lock = threading.Lock()
        self.flops: Counter[int] = Counter()
        self.causal_flops: Counter[int] = Counter()
        self.flops_by_dtype: dict[str, Counter[int]] = {}
        self.bytes_moved: Counter[int] = Counter()
        self.launches: Counter[int] = Counter()
        self.by_op: Counter[str] = Counter()
        self.by_shapes: dict[tuple[int, str, tuple[Shape, ...]], OpWork] = {}
        self.total = 0
        self.causal_total = 0
        self.total_bytes = 0
        self.uncounted: dict[str, Counter[int]] = {}
        self.unsized: set[str] = set()

    @classmethod
    def is_infra_mode(cls) -> bool:
        """True, so that flex attention, which looks for modes of a user's own, runs under this one too."""
        return True

    def __torch_dispatch__(
        self,
        func: OpOverload | HigherOrderOperator,
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Runs the op, or the pieces it is made of, and counts it."""
        given = kwargs or {}
        if isinstance(func, OpOverload) and func.namespace == "prim":  # a question, of which fakes ask thousands
            return func(*args, **given)
        name = packet_name(func)
        formula = self._formulas.get(name)
        is_known = formula is not None or name in self._zero_ops
        if not is_known and isinstance(func, OpOverload):
            pieces = self._decomposed(func, args, given)
            if pieces is not NotImplemented:
                return pieces
        bodies = [] if is_known else self._bodies(func, args)
        output: object = func(*(bodies or args), **given)
        if any(body.ran for body in bodies if isinstance(body, _Body)):
            return output
        named = _named(func, args, given)
        flops = self._flops(func, formula, OpCall(args, named, output)) if formula else _NOTHING
        self._add(func, named, output, flops if is_known else None)
        return output

    def _decomposed(self, func: OpOverload, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
        """The op run piece by piece under this mode; NotImplemented where it is not a composite of others.

        Under inference mode composite ops arrive whole.
        """
        with self:
            return func.decompose(*args, **kwargs)

    def _bodies(self, func: OpOverload | HigherOrderOperator, args: tuple[object, ...]) -> list[object]:
        """The arguments of an op that calls functions, each function counted when it runs; empty for any other op.

        Over fakes the op calls all branches once, to learn shapes; it is left as it is, and listed as uncounted.
        """
        if str(func) not in _CALLS_ITS_ARGUMENTS or _get_current_dispatch_mode() is not None:
            return []
        return [_Body(self, value) if callable(value) else value for value in args]

    def _flops(self, func: OpOverload | HigherOrderOperator, formula: Formula, call: OpCall) -> Flops | None:
        """What the formula gives; None where what it depends on is not known here."""
        try:
            flops = formula(call)
        except Exception as error:  # a formula may be the user's: whatever it raises is about the formula
            where = " ".join(filter(None, (str(func), self._describe(self._where()))))
            raise MeasurementError(
                f"the FLOP formula of {where} does not fit its arguments ({error}); "
                "register one that does with layerprof.register_flops"
            ) from error
        return None if flops is None else Flops(int(flops.dense), int(flops.causal))  # unknown sizes raise

    def _add(
        self, func: OpOverload | HigherOrderOperator, named: Mapping[str, object], output: object, flops: Flops | None
    ) -> None:
        """Adds what one call did; without FLOPs it is among the uncounted."""
        place, name = self._where(), str(func)
        bytes_moved = self._bytes(func, named, output)
        if flops == _NOTHING and not bytes_moved:
            return
        dtype = _format(name, named) if flops and flops.dense else None
        shapes = tuple(_shapes_in_order(func, named))
        with self._lock:  # a model may run layers on threads of its own
            if flops is None:
                self.uncounted.setdefault(name, Counter())[place] += 1
            elif dtype is not None:
                self._add_flops(place, name, flops, dtype)
            self.bytes_moved[place] += bytes_moved
            self.launches[place] += bytes_moved > 0
            self.total_bytes += bytes_moved
            work = self.by_shapes.setdefault((place, packet_name(func).replace(".", "::", 1), shapes), OpWork())
            work.flops += flops.dense if flops else 0
            work.bytes_moved += bytes_moved
            work.dtype = dtype or work.dtype

    def _add_flops(self, place: int, name: str, flops: Flops, dtype: str) -> None:
        self.flops[place] += flops.dense
        self.causal_flops[place] += flops.causal
        self.flops_by_dtype.setdefault(dtype, Counter())[place] += flops.dense
        self.by_op[name] += flops.dense
        self.total += flops.dense
        self.causal_total += flops.causal

    def _bytes(self, func: OpOverload | HigherOrderOperator, named: Mapping[str, object], output: object) -> int:
        try:
            return least_bytes(func, named, output)
        except Exception:  # torch's own, of sizes that depend on data and of layouts that have none
            self.unsized.add(str(func))
            return 0


class _Body:
    """A function that an op calls, run under the counter, which is off inside ops.

    Args:
        counter: of FLOPs.
        function: what is called.

    Attributes:
        ran: whether it was.
    """

    def __init__(self, counter: FlopCounter, function: Callable[..., object]) -> None:
        self._counter = counter
        self._function = function
        self.ran = False

    def __call__(self, *args: object) -> object:
        self.ran = True
        with self._counter:
            return self._function(*args)


def _format(name: str, named: Mapping[str, object]) -> str:
    """The format of an op's products; a packed weight that cannot be read has no say in it."""
    operands = [tensor for value in named.values() for tensor in tensors_in(value)]
    with contextlib.suppress(TypeError):
        operands.extend(part for value in named.values() for part in packed_in(name, value) if part.is_quantized)
    return format_of(operands, is_convolution="conv" in name)


def _shapes_in_order(func: OpOverload | HigherOrderOperator, named: Mapping[str, object]) -> Iterator[Shape]:
    """Shapes of the tensors given, in the order of the op's schema, as profilers record them."""
    names = _argument_names(func) if isinstance(func, OpOverload) else tuple(named)
    values = (named[name] for name in names if name in named)
    return (_known_shape(value) for value in values if isinstance(value, torch.Tensor))


def _known_shape(tensor: torch.Tensor) -> Shape:
    """The tensor's shape, -1 where a size is known to nobody before the data is; of a ragged batch its length."""
    if tensor.is_nested and tensor.layout == torch.strided:
        return (tensor.size(0),)
    return tuple(size if isinstance(size, int) else -1 for size in tensor.shape)


@functools.cache  # of what the op's schema says, which never changes
def _argument_names(func: OpOverload) -> tuple[str, ...]:
    return tuple(argument.name for argument in func._schema.arguments)


def packet_name(func: OpOverload | HigherOrderOperator) -> str:
    """The op's name without its overload: ``aten.mm`` of ``aten.mm.default``."""
    return func._schema.name.replace("::", ".") if isinstance(func, OpOverload) else str(func)


def _named(
    func: OpOverload | HigherOrderOperator, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> dict[str, object]:
    """All given arguments by name; those of an op without a schema by position."""
    names = _argument_names(func) if isinstance(func, OpOverload) else map(str, range(len(args)))
    return {**dict(zip(names, args, strict=False)), **kwargs}
