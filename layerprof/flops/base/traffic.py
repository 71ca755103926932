"""The least traffic of an op: the bytes that it has to read and to write, whatever a cache would save.

    bytes = every distinct input once + every output once

- Tensors that share a storage are one: each distinct view of it counts, and all of them at most the storage. Expanded
  dimensions (stride 0) are there once.
- Views and other aliases of an input move nothing. An argument that is changed in place is read and written, one that
  is only filled is written.
- A packed weight, as quantized ops take it, is what it unpacks to.
- A gather (an embedding, an index) reads what it picks, not the table; a scatter in place writes what its indices
  point at, and a mask without data (fake tensors) may point at all.

It is the compulsory traffic of each op by itself: an op that is fused with its neighbour moves less, and one whose
working set does not fit moves more. Source: S. Williams, A. Waterman, D. Patterson, Roofline (2009), section 4, for
arithmetic intensity by compulsory traffic.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import torch
from torch._ops import HigherOrderOperator, OpOverload

from layerprof.flops.base.base import (
    as_it_is,
    distinct_bytes,
    has_data,
    packed_in,
    storage_key,
    tensor_bytes,
    tensors_in,
)

Sort = Literal["plain", "nothing", "makes", "fills", "gathers", "bags", "scatters"]

_NOTHING = """
detach detach_ dim empty empty_like empty_permuted empty_strided is_contiguous is_non_overlapping_and_dense is_pinned
is_same_size is_strides_like_format lift_fresh new_empty new_empty_strided numel record_stream resize_ set_ size
storage_offset stride sym_constrain_range sym_constrain_range_for_size sym_is_contiguous sym_numel sym_size
sym_storage_offset sym_stride _assert_tensor_metadata _has_same_storage_numel _nested_get_offsets _version
"""
_MAKES = "full_like new_full new_ones new_zeros ones_like rand_like randint_like randn_like zeros_like"
_FILLS = "bernoulli_ copy_ exponential_ fill_ geometric_ log_normal_ normal_ random_ uniform_ zero_"
_GATHERS = "_unsafe_index embedding embedding_byte gather index index_select take take_along_dim"
_BAGS = "_embedding_bag _embedding_bag_forward_only embedding_bag embedding_bag_byte"
_SCATTERS = """
_index_put_impl_ index_add_ index_copy_ index_fill_ index_put_ index_reduce_ put_ scatter_ scatter_add_ scatter_reduce_
"""
_SORTS: dict[str, Sort] = {
    **dict.fromkeys(_NOTHING.split(), "nothing"),
    **dict.fromkeys(_MAKES.split(), "makes"),
    **dict.fromkeys(_FILLS.split(), "fills"),
    **dict.fromkeys(_GATHERS.split(), "gathers"),
    **dict.fromkeys(_BAGS.split(), "bags"),
    **dict.fromkeys(_SCATTERS.split(), "scatters"),
}
_KEEPS = {"index_copy_", "index_fill_", "scatter_"}  # scatters that never add to what was there; puts say it


@dataclass(frozen=True, slots=True)
class _Given:
    """The tensors of one call.

    Attributes:
        read: inputs that are not outputs to write into.
        changed: inputs that the op writes into.
        made: outputs that are none of the inputs, nor views of them.
    """

    read: list[torch.Tensor]
    changed: list[torch.Tensor]
    made: list[torch.Tensor]


def least_bytes(func: OpOverload | HigherOrderOperator, named: Mapping[str, object], output: object) -> int:
    """The least traffic of one call, in bytes.

    Args:
        func: the op.
        named: its arguments by name.
        output: what it returned.

    Raises:
        Exception: torch's, where a size is known to nobody before the data is.
    """
    name = func._schema.name.partition("::")[2] if isinstance(func, OpOverload) else ""
    sort = _SORTS.get(name, "plain")
    if sort == "nothing" or (isinstance(func, OpOverload) and _only_asks_or_views(func)):
        return 0
    given = _given(func, named, output)
    if sort == "scatters":
        return _scattered_bytes(name, given, named)
    if not (given.made or given.changed):
        return _looked_at_bytes(given, output)
    return _READS[sort](given) + distinct_bytes([*given.changed, *given.made])


@functools.cache  # of what the op's schema says, which never changes
def _only_asks_or_views(func: OpOverload) -> bool:
    """Whether it is an interpreter's question about a tensor, or all that it gives are views of its inputs."""
    views = [one.alias_info is not None and not one.alias_info.is_write for one in func._schema.returns]
    return func.namespace == "prim" or (bool(views) and all(views))


def _given(func: OpOverload | HigherOrderOperator, named: Mapping[str, object], output: object) -> _Given:
    written, filled = _written(func)
    read = [tensor for name, value in named.items() if name not in written for tensor in _held(func, value, output)]
    changed = [tensor for name, value in named.items() if name in written - filled for tensor in tensors_in(value)]
    into = [tensor for name, value in named.items() if name in filled for tensor in tensors_in(value)]
    known = {storage_key(tensor) for tensor in (*read, *changed, *into)}
    made = [tensor for tensor in tensors_in(output) if storage_key(tensor) not in known]
    return _Given(read, changed, [*into, *made])


def _held(func: OpOverload | HigherOrderOperator, value: object, output: object) -> Iterator[torch.Tensor]:
    """The tensors of an argument, those in a packed weight too unless the op only asks about it."""
    yield from tensors_in(value)
    if isinstance(func, OpOverload) and any(True for _ in tensors_in(output)):
        yield from packed_in(func._schema.name, value)


@functools.cache  # of what the op's schema says, which never changes
def _written(func: OpOverload | HigherOrderOperator) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the arguments that the op writes into, and of those among them whose old content it does not need."""
    if not isinstance(func, OpOverload):
        return frozenset(), frozenset()
    arguments = [one for one in func._schema.arguments if one.alias_info is not None and one.alias_info.is_write]
    written = frozenset(one.name for one in arguments)
    if _SORTS.get(func._schema.name.partition("::")[2]) == "fills":
        return written, written
    return written, frozenset(one.name for one in arguments if one.is_out)


def _looked_at_bytes(given: _Given, output: object) -> int:
    """Of an op that makes no tensor: it read its inputs, unless all it gives is another view of them."""
    return 0 if any(True for _ in tensors_in(output)) else distinct_bytes(given.read)


def _gathered_bytes(given: _Given) -> int:
    """The table's picked elements, which are as many as the output's, and the indices."""
    if not given.read:
        return 0
    table, *others = given.read
    picked = sum(int(made.numel()) for made in given.made) * table.itemsize
    return min(distinct_bytes([table]), picked) + distinct_bytes(others)


def _bag_bytes(given: _Given) -> int:
    """The rows that the indices pick, and the indices."""
    table, indices, *others = given.read
    row_bytes = table.itemsize * int(table.shape[-1])
    return min(distinct_bytes([table]), int(indices.numel()) * row_bytes) + distinct_bytes([indices, *others])


def _scattered_bytes(name: str, given: _Given, named: Mapping[str, object]) -> int:
    """What is written in place is what the indices point at; where it is added, as much is read too."""
    (target,) = given.changed
    touched = min(tensor_bytes(target), _touched_elements(name, target, named) * target.itemsize)
    adds = named.get("accumulate", False) if "put" in name else name not in _KEEPS
    return touched * (2 if adds else 1) + distinct_bytes(given.read)


def _touched_elements(name: str, target: torch.Tensor, named: Mapping[str, object]) -> int:
    """How many elements the indices point at; one that is met twice is two."""
    if "indices" in named:
        indices = named["indices"]
        assert isinstance(indices, list | tuple)
        return _indexed_elements(target, indices)
    (index,) = tensors_in(named["index"])
    rest = list(target.shape)
    if name.startswith("index_") and rest:  # whole slices; other scatters meet one element by each index
        dim = named["dim"]
        assert isinstance(dim, int)
        del rest[dim]
        return int(index.numel()) * prod(rest)
    return int(index.numel())


def _indexed_elements(target: torch.Tensor, indices: Sequence[object]) -> int:
    """The places that all indices name together, times the dimensions that none is about."""
    sizes: list[Sequence[int]] = []
    dim, kept = 0, 1
    for index in indices:
        if not isinstance(index, torch.Tensor):
            kept *= int(target.shape[dim])
            dim += 1
        elif index.dtype in (torch.bool, torch.uint8):
            sizes.append((_chosen(index),))
            dim += index.dim()
        else:
            sizes.append(index.shape)
            dim += 1
    met: Sequence[int] = torch.broadcast_shapes(*sizes)
    return prod(met) * kept * prod(target.shape[dim:])


def _chosen(mask: torch.Tensor) -> int:
    """How many places a mask chooses; all of them where it has no data."""
    if not has_data(mask):
        return mask.numel()
    with as_it_is():
        return int(mask.count_nonzero())


_READS: Mapping[Sort, Callable[[_Given], int]] = {
    "plain": lambda given: distinct_bytes([*given.read, *given.changed]),
    "makes": lambda given: 0,
    "fills": lambda given: distinct_bytes(given.read),
    "gathers": _gathered_bytes,
    "bags": _bag_bytes,
}
