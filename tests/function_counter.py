"""An independent FLOP count: the products, convolutions and attentions that a model's Python code asks torch for.

It stands at the level of torch functions, above dispatch and above autograd, and shares nothing with `layerprof.flops`.
What a function costs is in `function_rules`. The backward pass is known by a rule of its own: a result whose gradient
arrives has the gradients of its operands formed then, at the price that the function's rule said when it was called.
Whether a gradient arrives is asked of autograd, by a hook on the result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from function_rules import RULES, SUSPECT
from function_work import FunctionCall
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class FunctionCounter(TorchFunctionMode):
    """Adds up the FLOPs of the torch functions called in its block, and of their backward passes.

    Attributes:
        forward: FLOPs by name of the function.
        backward: the same for the gradients of their operands.
    """

    def __init__(self) -> None:
        super().__init__()
        self.forward: Counter[str] = Counter()
        self.backward: Counter[str] = Counter()

    @property
    def flops(self) -> int:
        """So far, forward and backward."""
        return self.forward.total() + self.backward.total()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        rule = RULES.get(func)
        assert rule or not _may_hide_products(func), f"{func} may have products inside that this counter cannot see"
        result = func(*args, **(kwargs or {}))
        if rule is None:
            return result
        work = rule(FunctionCall(args=args, named=kwargs or {}, result=result))
        name = func.__name__
        self.forward[name] += work.forward
        first = result if isinstance(result, Tensor) else result[0]
        if first.requires_grad and work.backward:
            first.register_hook(lambda gradient: self._add_backward(name, work.backward))
        return result

    def _add_backward(self, name: str, flops: int) -> None:
        self.backward[name] += flops


def _may_hide_products(func: Callable[..., Any]) -> bool:
    name = getattr(func, "__name__", "")
    return any(stem in name for stem in SUSPECT)


def function_flops(model: nn.Module, inputs: Mapping[str, Any]) -> int:
    """FLOPs of one forward in eval mode, counted independently."""
    counter = FunctionCounter()
    with torch.no_grad(), counter:
        model.eval()(**inputs)
    return counter.flops


def training_step(model: nn.Module, inputs: Mapping[str, Any]) -> Callable[[], None]:
    """A forward in train mode and the backward of the sum of all that it returned."""

    def step() -> None:
        torch.stack([part.sum() for part in _differentiable(model(**inputs))]).sum().backward()

    return step


def _differentiable(output: object) -> Iterator[Tensor]:
    """The tensors in a model's output that a gradient can start from."""
    if isinstance(output, Tensor):
        if output.requires_grad:
            yield output
    elif isinstance(output, Mapping):
        for part in output.values():
            yield from _differentiable(part)
    elif isinstance(output, list | tuple):
        for part in output:
            yield from _differentiable(part)
