"""What the parts of a step on fakes share: which data is known, and which op failed.

Known are whole numbers and flags that somebody gave, constants, and what is computed from them alone. Whether a tensor
is known goes with its storage. One that a fake is written into is not known any more, and one that is somebody else's
is never written to.

Limits: reading a tensor past torch's dispatcher (``tolist``) gives what was in it before a fake was written into it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch._ops import OpOverload
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.weak import WeakIdKeyDictionary

_MAX_ELEMENTS = 2**20  # of a tensor that is computed, unless one as large is given: 8 MiB of int64, in a millisecond
_WHOLE = frozenset({torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64})
_FLOATS = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An op that could not be run on fakes.

    Attributes:
        op: its name, such as ``aten.nonzero.default``.
        error: what it raised.
    """

    op: str
    error: BaseException


class Draws:
    """Keeps which fakes are one draw from [0, 1): of those a comparison with a number outside is certain.

    A layer that is skipped by a coin asks so, and with a probability of 0, which is the default, never skips.
    """

    def __init__(self) -> None:
        self._draws = WeakIdKeyDictionary()

    def keep(self, func: OpOverload, result: object) -> None:
        """Remembers what an op gave, if it is such a draw."""
        if func is torch.ops.aten.rand.default and isinstance(result, torch.Tensor) and not result.dim():
            self._draws[result] = True

    def verdict(self, func: OpOverload, args: Sequence[object]) -> bool | None:
        """What a comparison with a number gives whatever was drawn; None where that is open, or it is none."""
        certain = _CERTAIN.get(func)
        if certain is None or len(args) != 2 or args[0] not in self._draws or not isinstance(args[1], int | float):
            return None
        return certain(args[1])


_CERTAIN: Mapping[OpOverload, Callable[[float], bool | None]] = {
    torch.ops.aten.lt.Scalar: lambda number: False if number <= 0 else True if number >= 1 else None,
    torch.ops.aten.le.Scalar: lambda number: False if number < 0 else True if number >= 1 else None,
    torch.ops.aten.gt.Scalar: lambda number: True if number < 0 else False if number >= 1 else None,
    torch.ops.aten.ge.Scalar: lambda number: True if number <= 0 else False if number >= 1 else None,
}


class KnownData:
    """Keeps which storages are ours to write, and of which the data is not known any more."""

    def __init__(self) -> None:
        self._own: dict[int, StorageWeakRef] = {}  # a weak reference keeps the address from being used again
        self._lost: dict[int, StorageWeakRef] = {}
        self._most_elements = _MAX_ELEMENTS

    def is_known(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor is real and its data may be used: whole numbers, and what the step made."""
        is_right = type(tensor) is torch.Tensor and _is_dense(tensor) and not tensor.is_meta
        if not is_right or _address(tensor) in self._lost:
            return False
        return tensor.dtype in _WHOLE or (tensor.dtype in _FLOATS and self.is_own(tensor))

    def is_own(self, tensor: torch.Tensor) -> bool:
        """Whether the step made it, so that it may be written to."""
        return _address(tensor) in self._own

    def owned(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor, ours from now on."""
        self._own[_address(tensor)] = StorageWeakRef(tensor.untyped_storage())
        return tensor

    def given(self, tensor: torch.Tensor) -> torch.Tensor:
        """A known tensor that somebody gave, ours from now on; what is no larger may be computed from it."""
        self._most_elements = max(self._most_elements, tensor.untyped_storage().nbytes() // tensor.itemsize)
        return self.owned(tensor)

    def lose(self, tensors: Iterable[torch.Tensor]) -> None:
        """Something that is not known is written into the tensors."""
        for tensor in tensors:
            if self.is_known(tensor):
                self._lost[_address(tensor)] = StorageWeakRef(tensor.untyped_storage())

    def can_be(self, results: Sequence[torch.Tensor]) -> bool:
        """Whether tensors like these fakes may be computed."""
        return all(one.dtype in _WHOLE | _FLOATS and self._is_small(one) and _is_here(one.device) for one in results)

    def computed(self, func: OpOverload, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        """What the op gives on known data."""
        given = {_address(tensor) for tensor in tensors_in(args, kwargs)}
        result: object = func(*args, **kwargs)
        for tensor in tensors_in((result,), {}):
            if _address(tensor) not in given:
                self.owned(tensor)
        return result

    def _is_small(self, tensor: torch.Tensor) -> bool:
        return _is_dense(tensor) and tensor.numel() <= self._most_elements


def tensors_in(args: Sequence[object], kwargs: Mapping[str, object]) -> Iterator[torch.Tensor]:
    """The tensors among an op's arguments, also those in lists."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from (item for item in value if isinstance(item, torch.Tensor))


def written_by(func: OpOverload, args: Sequence[object], kwargs: Mapping[str, object]) -> list[torch.Tensor]:
    """The tensors that the op writes to."""
    names = [argument.name for argument in func._schema.arguments if argument.is_write]
    if not names:
        return []
    positions = {argument.name: at for at, argument in enumerate(func._schema.arguments)}
    values = [args[positions[name]] if positions[name] < len(args) else kwargs.get(name) for name in names]
    return list(tensors_in(values, {}))


def packed_sizes(padded: torch.Tensor, lengths: torch.Tensor, *, batch_first: bool) -> torch.Tensor:
    """How many rows each step of a packed sequence has, which the lengths say."""
    narrow = torch.zeros(1).expand(*padded.shape[:2], 1)
    _, batch_sizes = torch._VF._pack_padded_sequence(narrow, lengths, batch_first)
    assert isinstance(batch_sizes, torch.Tensor)
    return batch_sizes


def is_whole(tensor: torch.Tensor) -> bool:
    """Whether the tensor is of whole numbers or flags."""
    return tensor.dtype in _WHOLE


def _is_dense(tensor: torch.Tensor) -> bool:
    """Whether the tensor is dense, and of a size that somebody knows."""
    return tensor.layout is torch.strided and not tensor.is_nested and isinstance(tensor.numel(), int)


def _is_here(device: torch.device) -> bool:
    """Whether tensors can be on the device really."""
    if device.type == "cpu":
        return True
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return accelerator is not None and accelerator.type == device.type


def _address(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
