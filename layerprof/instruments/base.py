"""What all instruments share: hooks around every call of every layer, and what autograd says of itself.

Ours stand outermost: pre-hooks are prepended, post-hooks are registered last and run even when the forward raises.
A layer's index is bound into its hooks, so nothing is looked up by name or object while the model runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, is_dataclass

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

PreHook = Callable[[nn.Module, tuple[object, ...]], None]
PostHook = Callable[[nn.Module, tuple[object, ...], object], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A module to hook and the index by which its events are known."""

    index: int
    module: nn.Module


UNNUMBERED_NODE = 1 << 63  # numbers from here on are no place in an order: gradient accumulators have the highest


def next_node_number() -> int:
    """The number that the next node of this thread's backward graph is going to get; numbers only grow."""
    number: int = torch._C._autograd._get_sequence_nr()
    return number


def autograd_node_number() -> int | None:
    """The number of the node that the autograd engine is evaluating on this thread; None outside of the engine."""
    node = torch._C._current_autograd_node()
    return None if node is None else node._sequence_nr()


def engine_task() -> int:
    """Which run of the autograd engine this thread is in; -1 outside of the engine."""
    return torch._C._current_graph_task_id()


def tensors_in(value: object) -> Iterator[torch.Tensor]:
    """The tensors in a nested structure; of an object that is no container its attributes are looked at, not theirs."""
    yield from _tensors_in(value, is_inside_object=False)


def _tensors_in(value: object, *, is_inside_object: bool) -> Iterator[torch.Tensor]:
    for leaf in tree_leaves(value):
        if isinstance(leaf, torch.Tensor):
            yield leaf
        elif isinstance(leaf, Mapping):
            yield from _tensors_in(list(leaf.values()), is_inside_object=is_inside_object)
        elif is_dataclass(leaf) and not isinstance(leaf, type):
            held = [getattr(leaf, field.name, None) for field in fields(leaf)]
            yield from _tensors_in(held, is_inside_object=is_inside_object)
        elif not is_inside_object and _may_hold_tensors(leaf):
            yield from _tensors_in(list(vars(leaf).values()), is_inside_object=True)


def _may_hold_tensors(leaf: object) -> bool:
    """Whether it is an object of somebody's own class; modules, classes and functions return nothing of theirs."""
    return hasattr(leaf, "__dict__") and not isinstance(leaf, nn.Module | type) and not callable(leaf)


@contextmanager
def hooked(
    sites: Sequence[Site], *, enter: Callable[[int], PreHook], leave: Callable[[int], PostHook]
) -> Iterator[None]:
    """Has every site's calls bracketed by ``enter(index)`` and ``leave(index)`` inside the block.

    Whatever happens inside, all hooks are gone afterwards, and those that the user had are as they were.
    """
    with ExitStack() as stack:
        # A hooked call takes more frames than a bare one, so a deep model that just runs would not run under hooks.
        stack.callback(sys.setrecursionlimit, sys.getrecursionlimit())
        sys.setrecursionlimit(2 * sys.getrecursionlimit())
        for site in sites:
            before = site.module.register_forward_pre_hook(enter(site.index), prepend=True)
            stack.callback(before.remove)
            after = site.module.register_forward_hook(leave(site.index), always_call=True)
            stack.callback(after.remove)
        yield
