"""What the torch functions cost that do the work of a whole layer: attention and recurrent networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from function_work import FunctionCall, Work, of_product, sum_of
from torch import Tensor

_FUSED = "ScaledDotProductFlashAttentionForCpuBackward0"


def attention(call: FunctionCall) -> Work:
    """Scores and the weighted sum of values, for every query head.

    Backward by products takes dQ and dK, the gradient of the weights, and dV. torch's fused kernel on CPU does not keep
    the scores, so it forms them again, and it forms every gradient whoever needs it. It takes what has no dropout and
    heads of one width; whether it did stands in the result's ``grad_fn``.
    """
    query, key, value = call.get(0, "query"), call.get(1, "key"), call.get(2, "value")
    pairs = query.numel() // query.shape[-1] * key.shape[-2]
    scores, weighted = 2 * pairs * query.shape[-1], 2 * pairs * value.shape[-1]
    if call.result.requires_grad and call.result.grad_fn.name() == _FUSED:
        return Work(scores + weighted, 3 * scores + 2 * weighted)
    weights_need_gradient = query.requires_grad or key.requires_grad
    return sum_of(
        [of_product(scores, query, key), Work(weighted, weighted * (weights_need_gradient + value.requires_grad))]
    )


def multi_head_attention(call: FunctionCall) -> Work:
    """Four projections around an attention by products, which is what it takes to return the weights too.

    Shape:
        query: (queries, batch, width); key, value: (keys, batch, width)
    """
    assert call.get(15, "need_weights", True), "which attention it took is not seen from outside"
    query, key, value = call.args[:3]
    weight, out_weight = call.get(5, "in_proj_weight"), call.get(11, "out_proj_weight")
    assert weight.requires_grad or not call.result[0].requires_grad, "its heads need gradients because of their weights"
    width = query.shape[-1]
    scores, projected = 2 * query.numel() * key.shape[0], 2 * query.numel() * width
    heads = Work(2 * scores, 4 * scores)
    into = [of_product(2 * one.numel() * width, one, weight) for one in (query, key, value)]
    return sum_of([*into, heads, Work(projected, projected * (1 + out_weight.requires_grad))])


def lstm(call: FunctionCall) -> Work:
    """Of every layer and direction; the fused kernel on CPU forms all gradients of a step whoever needs them."""
    steps, weights = _steps(call), _matrices(call)
    assert len(weights) % 2 == 0, "with projections it is not fused"
    return sum_of([Work(2 * steps * weight.numel(), 4 * steps * weight.numel()) for weight in weights])


def gated(call: FunctionCall) -> Work:
    """Of every layer and direction of a GRU or a plain recurrent network, which run step by step.

    The first step's state is given and may need no gradient, and neither may the first layer's input.
    """
    return sum_of(list(_step_by_step(call)))


def _step_by_step(call: FunctionCall) -> Iterator[Work]:
    source, state = call.args[:2]
    is_bidirectional, steps, weights = bool(call.args[7]), _steps(call), _matrices(call)
    length = source.shape[1 if call.args[8] else 0]
    for index, (of_input, of_state) in enumerate(zip(weights[::2], weights[1::2], strict=True)):
        is_first = index < 1 + is_bidirectional
        yield of_product(2 * steps * of_input.numel(), source if is_first else of_input, of_input)
        flops = 2 * steps * of_state.numel()
        given = 0 if state.requires_grad else flops // length
        yield Work(flops, 2 * flops - given)


def _steps(call: FunctionCall) -> int:
    """Of all texts of the batch."""
    source: Tensor = call.args[0]
    return source.numel() // source.shape[-1]


def _matrices(call: FunctionCall) -> Sequence[Tensor]:
    """The weights of the input and of the state by turns, biases left out."""
    return [weight for weight in call.args[2] if weight.dim() == 2]
