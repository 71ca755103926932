"""Hooks around every call of every layer, put on and taken off without a trace.

Ours stand outermost: pre-hooks are prepended, post-hooks are registered last and run even when the forward raises.
A layer's index is bound into its hooks, so nothing is looked up by name or object while the model runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from torch import nn

PreHook = Callable[[nn.Module, tuple[object, ...]], None]
PostHook = Callable[[nn.Module, tuple[object, ...], object], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A module to hook and the index by which its events are known."""

    index: int
    module: nn.Module


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
