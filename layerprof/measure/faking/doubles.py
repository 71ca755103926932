"""Storages that stand in for others: tensors that share memory go on sharing it.

Who reads two views of one weight reads the weight once, so that a count of bytes depends on it.
"""

from __future__ import annotations

import torch
from torch.multiprocessing.reductions import StorageWeakRef

_Double = tuple[StorageWeakRef, int, torch.UntypedStorage]  # of which storage, of what size then, and what stands in

_MOST_COPIED_BYTES = 2**23  # of numbers that a module holds: an int8 weight is larger, a table of positions is not


class Doubles:
    """Keeps the storages that stand in for the model's and the caller's."""

    def __init__(self) -> None:
        self._without_data: dict[int, _Double] = {}  # a weak reference keeps the address from being used again
        self._copies: dict[int, _Double] = {}

    def without_data(self, tensor: torch.Tensor) -> torch.Tensor:
        """The same view of a storage on the meta device."""
        storage = tensor.untyped_storage()
        found = self._without_data.get(storage._cdata)
        if found is None or found[1] != storage.nbytes():
            double = torch.UntypedStorage(storage.nbytes(), device="meta")
            found = self._without_data[storage._cdata] = StorageWeakRef(storage), storage.nbytes(), double
        return _view(tensor, found[2])

    def copy(self, tensor: torch.Tensor) -> torch.Tensor:
        """The same view of a copy; the tensor itself where that is too large to be copied in no time."""
        storage = tensor.untyped_storage()
        if storage.nbytes() > _MOST_COPIED_BYTES:
            return tensor
        found = self._copies.get(storage._cdata)
        if found is None:
            found = self._copies[storage._cdata] = StorageWeakRef(storage), storage.nbytes(), storage.clone()
        return _view(tensor, found[2])


def _view(tensor: torch.Tensor, storage: torch.UntypedStorage) -> torch.Tensor:
    """What the tensor is of its own storage, of another one."""
    empty = torch.empty(0, dtype=tensor.dtype, device=storage.device)
    return empty.set_(storage, tensor.storage_offset(), tensor.size(), tensor.stride())
