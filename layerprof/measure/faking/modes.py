"""The mode under which a step runs without data, except for the whole numbers and flags that are known.

torch's fake tensors, with three things added:

    known data   ops on known whole numbers alone are run: a mask, a length, a position decides as in a real run
    the meta     what is on that device, or is asked to be, is a fake on the CPU
    threads      layers that run on threads of their own find the mode in a state that is theirs
"""

from __future__ import annotations

import threading
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from torch._higher_order_ops.utils import registered_hop_fake_fns
from torch._ops import HigherOrderOperator, OpOverload
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv, free_unbacked_symbols
from torch.utils._python_dispatch import TorchDispatchMode

from layerprof.measure.faking.base import Draws, Failure, KnownData, is_whole, packed_sizes, tensors_in, written_by

if TYPE_CHECKING:
    from layerprof.measure.faking.doubles import Doubles
    from layerprof.measure.faking.gradients import Gradients
    from layerprof.measure.faking.memo import ShapeMemo

_CPU = torch.device("cpu")
_NO_KWARGS: Mapping[str, object] = {}
_DATA_DECIDES = frozenset({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape})
_DEVICE = torch.ops.prim.device.default
_LIFTS = frozenset(getattr(torch.ops.aten, name).default for name in ("lift", "lift_fresh", "lift_fresh_copy"))
_PACK = torch.ops.aten._pack_padded_sequence.default
_PLAIN_TYPES = (torch.Tensor, nn.Parameter)

_Entry = tuple[bool, TorchDispatchMode | None, bool | None]  # torch's own account of what was active before


class _OfThread(threading.local):
    """What torch keeps on a mode though it is about a thread, and how deep in ops of the mode's own the thread is."""

    def __init__(self) -> None:
        self.enter_stack: list[_Entry] = []
        self.in_kernel_invocation = False
        self.depth = 0


class FakeStep(FakeTensorMode):
    """The mode of one step.

    Args:
        known: of which tensors the data is known.
        memo: the shapes that ops gave before.
        doubles: the storages that stand in for real ones.
        gradients: of tensors that are not the model's.

    Attributes:
        latest_failure: the op that raised last, or None.
        op_of_symbol: the op that a number which nobody knows came out of, by the number's symbol.
        lacks_numbers: whether whole numbers among the inputs have no data.
    """

    supports_higher_order_operators = True  # they find torch's own rule for fakes by the exact class of the mode alone

    def __init__(self, known: KnownData, memo: ShapeMemo, doubles: Doubles, gradients: Gradients) -> None:
        self._of_thread = _OfThread()
        super().__init__(allow_non_fake_inputs=True, shape_env=ShapeEnv())
        self._known = known
        self._memo = memo
        self._draws = Draws()
        self._one_op = threading.RLock()
        self._doubles = doubles
        self._gradients = gradients
        self._inputs: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # with the real one, whose id stays its own so
        self.latest_failure: Failure | None = None
        self.op_of_symbol: dict[str, str] = {}
        self.lacks_numbers = False

    def __deepcopy__(self, memo: object) -> FakeStep:
        """Itself: the fakes of a layer that is copied are fakes of the same step."""
        return self

    @property
    def enter_stack(self) -> list[_Entry]:
        """What was active before, each time that this thread entered the mode."""
        return self._of_thread.enter_stack

    @enter_stack.setter
    def enter_stack(self, stack: list[_Entry]) -> None:
        self._of_thread.enter_stack = stack

    @property
    def in_kernel_invocation(self) -> bool:
        """Whether this thread is in a kernel, where fakes say that they are on the meta device."""
        return self._of_thread.in_kernel_invocation

    @in_kernel_invocation.setter
    def in_kernel_invocation(self, value: bool) -> None:
        self._of_thread.in_kernel_invocation = value

    def stand_in(self, tensor: torch.Tensor) -> torch.Tensor:
        """A fake of the tensor's shape, dtype and device."""
        if tensor.is_nested and tensor.layout is torch.strided:
            raise TypeError("a nested tensor of strided layout has no shape; one of layout=torch.jagged does")
        if type(tensor) not in _PLAIN_TYPES or tensor.layout is not torch.strided or tensor.is_quantized:
            return self.from_tensor(tensor, static_shapes=True)
        shape = self._doubles.without_data(tensor)
        device = _CPU if tensor.is_meta else tensor.device
        is_parameter = isinstance(tensor, nn.Parameter)
        return FakeTensor(self, shape, device, requires_grad=tensor.requires_grad, _is_param=is_parameter)

    def input(self, tensor: torch.Tensor) -> torch.Tensor:
        """An input of the step, which may be written to: as it is where its data is known, else one fake."""
        self.lacks_numbers |= tensor.is_meta and is_whole(tensor)
        if self._known.is_known(tensor):
            return self._known.given(tensor)
        if id(tensor) not in self._inputs:
            self._inputs[id(tensor)] = tensor, self.stand_in(tensor)
        return self._inputs[id(tensor)][1]

    def held(self, tensor: torch.Tensor) -> torch.Tensor:
        """What a module holds, which is not ours to write to: a copy where its data is known, else a fake."""
        if not self._known.is_known(tensor):
            return self.stand_in(tensor)
        copy = self._doubles.copy(tensor)
        return tensor if copy is tensor else self._known.owned(copy)

    def forget(self) -> None:
        """Lets go of the inputs' fakes, so that those which are left after the step are somebody else's."""
        self._inputs.clear()

    def dispatch(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] = _NO_KWARGS,
    ) -> object:
        """Runs one op: on data where all of it is known, else on fakes."""
        with self._one_op:
            self._of_thread.depth += 1
            try:
                if isinstance(func, HigherOrderOperator):
                    return self._higher_order(func, args, kwargs)
                if self._of_thread.depth > 1:  # part of another op's own work
                    return super().dispatch(func, types, args, kwargs)
                return self._outermost(func, types, args, _off_meta(kwargs))
            except Exception as error:
                self.latest_failure = Failure(op=str(func), error=error)
                raise
            finally:
                self._of_thread.depth -= 1

    def _higher_order(self, func: HigherOrderOperator, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        rule = func.python_key_table.get(FakeTensorMode)
        asks_the_mode = cast("Container[object]", registered_hop_fake_fns)
        if rule is None or func in asks_the_mode:
            return super().dispatch(cast("OpOverload", func), (), args, kwargs)
        return rule(self, *args, **kwargs)

    def _outermost(
        self, func: OpOverload, types: Sequence[type], args: Sequence[object], kwargs: Mapping[str, object]
    ) -> object:
        if func is _DEVICE and isinstance(args[0], FakeTensor):  # asked more often than all else
            return args[0].device
        verdict = self._draws.verdict(func, args)
        if verdict is not None:
            return self._known.owned(torch.tensor(verdict))
        tensors = list(tensors_in(args, kwargs))
        if tensors and all(isinstance(tensor, FakeTensor) for tensor in tensors):
            return self._faked(func, types, args, kwargs)
        if self._may_compute(func, types, args, kwargs, tensors):
            result = self._known.computed(func, args, kwargs)
            return self._known.owned(result) if func in _LIFTS and isinstance(result, torch.Tensor) else result
        if func in _LIFTS:  # torch keeps the one number of a tensor that is written down as it is
            return super().dispatch(func, types, args, kwargs)
        if func is _PACK and self._known.is_known(tensors[1]):
            batch_sizes = self._known.owned(packed_sizes(tensors[0], tensors[1], batch_first=bool(args[2])))
            return tensors[0].new_empty((int(batch_sizes.sum()), *tensors[0].shape[2:])), batch_sizes
        written = written_by(func, args, kwargs)
        self._known.lose(written)
        result = self._faked(func, types, *self._on_stand_ins(func, args, kwargs))
        self._draws.keep(func, result)
        returned = [value.alias_info for value in func._schema.returns]
        is_in_place = len(written) == len(returned) == 1 and returned[0] is not None and returned[0].is_write
        return written[0] if is_in_place else result

    def _faked(
        self, func: OpOverload, types: Sequence[type], args: Sequence[object], kwargs: Mapping[str, object]
    ) -> object:
        if _DATA_DECIDES.isdisjoint(func.tags):
            return self._shaped(func, types, args, kwargs)
        result = super().dispatch(func, types, args, kwargs)
        for symbol in free_unbacked_symbols(result):
            self.op_of_symbol.setdefault(str(symbol), str(func))
        return result

    def _shaped(
        self, func: OpOverload, types: Sequence[type], args: Sequence[object], kwargs: Mapping[str, object]
    ) -> object:
        key = self._memo.key(func, args, kwargs)
        shapes = self._memo.shapes(key)
        if shapes is None:
            result = super().dispatch(func, types, args, kwargs)
            self._memo.keep(key, args, kwargs, result)
            return result
        fakes = tuple(self._fake(size, stride, dtype, device) for size, stride, dtype, device in shapes)
        return fakes if len(func._schema.returns) > 1 else fakes[0]

    def _fake(
        self, size: torch.Size, stride: tuple[int, ...], dtype: torch.dtype, device: torch.device
    ) -> torch.Tensor:
        return FakeTensor(self, torch.empty_strided(size, stride, dtype=dtype, device="meta"), device)

    def _may_compute(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: Sequence[object],
        kwargs: Mapping[str, object],
        tensors: Sequence[torch.Tensor],
    ) -> bool:
        """Whether all that goes in is known, and what comes out is such that it may be."""
        if torch.Tag.nondeterministic_seeded in func.tags or not all(map(self._known.is_known, tensors)):
            return False
        if func in _LIFTS or (tensors and not _DATA_DECIDES.isdisjoint(func.tags)):
            return True
        if not all(map(self._known.is_own, written_by(func, args, kwargs))):
            return False
        if torch.Tag.inplace_view in func.tags:
            return True
        fakes = super().dispatch(func, types, *self._on_stand_ins(func, args, kwargs))
        return self._known.can_be(list(tensors_in((fakes,), {})))

    def _on_stand_ins(
        self, func: OpOverload, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> tuple[tuple[object, ...], dict[str, object]]:
        """The op's arguments with a fake for everything real; flags that select rows as the rows' known numbers."""
        if func is torch.ops.aten.index.Tensor:
            args = (args[0], self._as_numbers(args[1]), *args[2:])
        return tuple(map(self._on_stand_in, args)), {name: self._on_stand_in(value) for name, value in kwargs.items()}

    def _on_stand_in(self, value: object) -> object:
        if isinstance(value, list | tuple) and any(isinstance(item, torch.Tensor) for item in value):
            return [self._on_stand_in(item) for item in value]
        if type(value) not in _PLAIN_TYPES:
            return value
        assert isinstance(value, torch.Tensor)
        self._gradients.keep(value)
        return self.stand_in(value)

    def _as_numbers(self, indices: object) -> object:
        assert isinstance(indices, list | tuple)
        numbers: list[object] = []
        for index in indices:
            is_mask = isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8)
            numbers.extend(index.nonzero().unbind(1) if is_mask and self._known.is_known(index) else (index,))
        return numbers


def _off_meta(kwargs: Mapping[str, object]) -> Mapping[str, object]:
    device = kwargs.get("device")
    is_meta = isinstance(device, torch.device) and device.type == "meta"
    return {**kwargs, "device": _CPU} if is_meta else kwargs
