"""Tensors as formulas and traffic look at them: how many bytes they are, whether they have data, and that data.

Most of an op's cost is in its tensors' shapes. What is in their data (how many elements a sparse tensor stores, how
long the parts of a ragged batch are, how much a mask chooses) is read past the modes of dispatch that stand around the
model: one of them may put fakes in the place of whatever an op returns, which have nothing in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves


def has_data(tensor: torch.Tensor) -> bool:
    """Whether there is data to read, which fakes and tensors on the meta device do not have."""
    return not (isinstance(tensor, FakeTensor) or tensor.is_meta)


def as_it_is() -> AbstractContextManager[object]:
    """The block in which ops on a tensor that has data give what is in it, whatever modes stand around the model."""
    return _disable_current_modes()  # type: ignore[no-any-return,no-untyped-call,unused-ignore]


def tensors_in(value: object) -> Iterator[torch.Tensor]:
    """The tensors of an argument or a result: itself, or those of a list."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, tuple | list | dict):
        yield from (leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor))


def packed_in(op: str, value: object) -> Iterator[torch.Tensor]:
    """Weight and bias inside an argument that is a packed weight, as quantized ops take them; none of any other.

    Args:
        op: the op's name; what ``fp16`` ones unpack in single precision they keep in half.
        value: the argument.

    Raises:
        TypeError: where the packed weight does not say what is in it.
    """
    for packed in value if isinstance(value, list | tuple) else (value,):
        if isinstance(packed, torch.ScriptObject) and "quantized" in op:
            for part in _unpacked(packed):
                yield part.to("meta", torch.float16) if "fp16" in op and part.dim() > 1 else part


def _unpacked(packed: torch.ScriptObject) -> list[torch.Tensor]:
    unpack = getattr(packed, "unpack", None)
    if unpack is None:
        raise TypeError(f"a packed weight cannot be read: {packed}")
    with as_it_is():
        return list(tensors_in(unpack()))


def distinct_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Each distinct view once, and those of one storage at most that storage."""
    views: dict[object, dict[object, int]] = {}
    limits: dict[object, int] = {}
    for tensor in tensors:
        key = storage_key(tensor)
        if key not in views:
            views[key], limits[key] = {}, _storage_bytes(tensor)
        views[key][_view_key(tensor)] = tensor_bytes(tensor)
    return sum(min(sum(parts.values()), limits[key]) for key, parts in views.items())


def tensor_bytes(tensor: torch.Tensor) -> int:
    """Bytes of a tensor's own elements, expanded ones once; of a sparse tensor those of its parts."""
    if tensor.layout != torch.strided:
        return _sparse_bytes(tensor) or tensor.numel() * tensor.itemsize
    if tensor.is_nested:
        return int(tensor.numel()) * tensor.itemsize
    elements = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        elements *= 1 if stride == 0 and size else int(size)
    return elements * tensor.itemsize


def _sparse_bytes(tensor: torch.Tensor) -> int:
    if not has_data(tensor):
        return sum(map(tensor_bytes, _sparse_parts(tensor)))
    with as_it_is():
        return sum(map(tensor_bytes, _sparse_parts(tensor)))


def _sparse_parts(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    names = {
        torch.sparse_coo: ("_indices", "_values"),
        torch.sparse_csr: ("crow_indices", "col_indices", "values"),
        torch.sparse_bsr: ("crow_indices", "col_indices", "values"),
        torch.sparse_csc: ("ccol_indices", "row_indices", "values"),
        torch.sparse_bsc: ("ccol_indices", "row_indices", "values"),
    }
    yield from (getattr(tensor, name)() for name in names.get(tensor.layout, ()))


def storage_key(tensor: torch.Tensor) -> object:
    """What tensors of one storage have in common, and no others."""
    storage = _storage(tensor)
    return id(tensor) if storage is None else storage._cdata


def _storage_bytes(tensor: torch.Tensor) -> int:
    storage = _storage(tensor)
    return tensor_bytes(tensor) if storage is None else int(storage.nbytes())


def _storage(tensor: torch.Tensor) -> torch.UntypedStorage | None:
    """Its storage; None where it is made of other tensors (sparse, jagged, a wrapper), and stands for itself."""
    if tensor.layout != torch.strided or tensor.is_nested:
        return None
    try:
        storage = tensor.untyped_storage()
    except (RuntimeError, NotImplementedError):
        return None
    return storage


def _view_key(tensor: torch.Tensor) -> object:
    if tensor.layout != torch.strided or tensor.is_nested:
        return id(tensor)
    return tensor.storage_offset(), tuple(tensor.shape), tensor.stride()
