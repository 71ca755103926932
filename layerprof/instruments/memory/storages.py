"""The meter that follows the storages of tensors, on any device: as ops make them, resize them and let go of them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager

import torch
from torch._ops import HigherOrderOperator, OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from layerprof.instruments.memory.base import NO_LAYER, Account, MeterReading, StorageLog

_PLAIN = (torch.Tensor, torch.nn.Parameter)


class _Held(weakref.ref["torch.UntypedStorage"]):
    """A storage that is followed, without keeping it alive."""

    __slots__ = ("account", "handle")

    account: Account
    handle: int


class StorageMeter(TorchDispatchMode):
    """Counts the storages of tensors and logs whose they are.

    A storage that an op returns and that was not known before is new; its death is seen by a weak reference. On the
    CPU these are the counts of the memory pass. On CUDA it runs beside `CudaMeter`, for the owners alone.

    It may be entered on several threads at once. The autograd engine takes it along to its own.

    Args:
        known: tensors that exist already (parameters, buffers, inputs): their storages are the baseline.
        where: the place at this moment, on any thread; negative under no layer.
        device: whose storages count; None for those of every device that has memory.

    Attributes:
        log: whose bytes they are.
        baseline_bytes: of the distinct storages of the known tensors.

    Limits: not seen are scratch memory inside one C++ op, memory that no tensor's storage holds, and the parts of
        tensors without a storage, such as sparse ones. Resizing a storage object itself (not a tensor) is seen when an
        op next uses it. Bytes from before the step that die in it do not make room for others. Ops on threads that did
        not enter it are not seen. Lazy clones (copy on write) count as if they were copied at once.
    """

    supports_higher_order_operators = True  # flex attention and torch.cond come here too, instead of failing

    def __init__(
        self,
        known: Iterable[torch.Tensor],
        where: Callable[[], int] = lambda: NO_LAYER,
        *,
        device: torch.device | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
        self.log = StorageLog()
        self._where = where
        self._device = device
        self._held: dict[int, _Held] = {}  # by the storage's handle
        self._at_death = self._forget  # bound once, for every reference
        self.baseline_bytes = sum(self._adopt(tensor) for tensor in plain_tensors(known))

    def running(self) -> AbstractContextManager[object]:
        """The block in which ops are followed."""
        return self

    def read(self) -> MeterReading:
        """The counts now."""
        return self.log.read()

    def restart_peak(self) -> None:
        """Has the peak start anew from what is alive."""
        self.log.restart_peak()

    def __torch_dispatch__(
        self,
        func: OpOverload | HigherOrderOperator,
        types: tuple[type, ...],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Runs the op and logs the storages it made or resized."""
        if types and isinstance(func, OpOverload) and any(map(_is_wrapper, types)):
            return NotImplemented  # the wrapper unwraps itself, and its ops on what it holds come back here
        named = kwargs or {}
        for tensor in plain_tensors(args):
            self._adopt(tensor)  # made before this block, or by code that no mode sees: not this op's doing
        for tensor in plain_tensors(named.values()):
            self._adopt(tensor)
        if isinstance(func, OpOverload) and torch.is_inference_mode_enabled():
            pieces = self._decomposed(func, args, named)
            if pieces is not NotImplemented:
                return pieces
        result = func(*args, **named)
        for tensor in plain_tensors((result,)):
            self._follow(tensor)
        return result

    def _decomposed(self, func: OpOverload, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
        """The op run piece by piece under this mode; NotImplemented where it is not a composite of others.

        Under inference mode composite ops arrive whole, and what their pieces make would not be seen.
        """
        with self:
            return func.decompose(*args, **kwargs)

    def _adopt(self, tensor: torch.Tensor) -> int:
        """Marks a storage as known from before, at nobody's cost; gives its bytes if it was new to us."""
        storage = storage_of(tensor)
        if storage is None:
            return 0
        held = self._held.get(storage._cdata)
        if held is not None:
            self._measure(held, storage)
            return 0
        if not self._counts(storage):
            return 0
        self._hold(storage, self.log.known(storage.nbytes()))
        return storage.nbytes()

    def _follow(self, tensor: torch.Tensor) -> None:
        """Logs a storage that is new or has another size than before."""
        storage = storage_of(tensor)
        if storage is None:
            return
        held = self._held.get(storage._cdata)
        if held is not None:
            self._measure(held, storage)
        elif self._counts(storage):
            self._hold(storage, self.log.born(self._where(), storage.nbytes()))

    def _measure(self, held: _Held, storage: torch.UntypedStorage) -> None:
        if held.account.size_bytes != storage.nbytes():
            self.log.resized(held.account, self._where(), storage.nbytes())

    def _hold(self, storage: torch.UntypedStorage, account: Account) -> None:
        held = _Held(storage, self._at_death)
        held.account = account
        held.handle = storage._cdata
        self._held[held.handle] = held

    def _forget(self, held: _Held) -> None:
        """A storage died, on whichever thread; its handle may be another's already."""
        if self._held.get(held.handle) is held:
            del self._held[held.handle]
        self.log.died(held.account)

    def _counts(self, storage: torch.UntypedStorage) -> bool:
        device = storage.device
        if self._device is None:
            return device.type != "meta"
        return device.type == self._device.type and self._device.index in (None, device.index)


def plain_tensors(values: Iterable[object]) -> Iterator[torch.Tensor]:
    """The tensors in the arguments or results of ops; of wrapping tensors, those that they hold."""
    for value in values:
        if isinstance(value, torch.Tensor):
            if type(value) in _PLAIN or not _is_wrapper(type(value)):
                yield value
            else:
                yield from plain_tensors(_held_by(value))
        elif isinstance(value, (list, tuple)):
            yield from plain_tensors(value)
        elif isinstance(value, Mapping):
            yield from plain_tensors(value.values())


def _held_by(wrapper: torch.Tensor) -> list[object]:
    """The tensors that a wrapping tensor says it holds."""
    names: list[str] = wrapper.__tensor_flatten__()[0]  # type: ignore[attr-defined]  # torch's protocol of wrappers
    return [getattr(wrapper, name) for name in names]


def storage_of(tensor: torch.Tensor) -> torch.UntypedStorage | None:
    """The tensor's storage; None for tensors that have none, such as sparse ones."""
    try:
        return tensor.untyped_storage()
    except (RuntimeError, NotImplementedError):
        return None


def _is_wrapper(kind: type) -> bool:
    """Whether tensors of the class hold other tensors, which have the memory."""
    return hasattr(kind, "__tensor_flatten__")
