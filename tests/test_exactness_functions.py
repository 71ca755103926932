"""The independent counter, layerprof, and the definition of each torch function agree, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
import torch
from function_counter import FunctionCounter
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from layerprof.flops import make_counter

A, B, C, D = 3, 4, 5, 6  # lengths of dimensions


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A call and its FLOPs by definition, a multiply-add being two; backward for the gradients of all operands."""

    run: Callable[[], Tensor]
    forward: int
    backward: int


def grown(*shape: int) -> Tensor:
    """A tensor that needs a gradient."""
    return torch.randn(*shape, requires_grad=True)


def product(run: Callable[[], Tensor], *lengths: int) -> Known:
    """Two gradients, each of which costs as much as the product itself."""
    forward = 2 * torch.Size(lengths).numel()
    return Known(run=run, forward=forward, backward=2 * forward)


def attended(heads: int, *, is_dropping: bool = False) -> Callable[[], Tensor]:
    def run() -> Tensor:
        return functional.scaled_dot_product_attention(
            grown(2, heads, A, D),
            grown(2, 2, B, D),
            grown(2, 2, B, D),
            dropout_p=0.5 if is_dropping else 0.0,
            enable_gqa=heads > 2,
        )

    return run


def complex_product() -> Tensor:
    left, right = (torch.randn(*shape, dtype=torch.complex64, requires_grad=True) for shape in ((A, B), (B, C)))
    return torch.view_as_real(left @ right)


def grouped_product() -> Tensor:
    ends = torch.tensor([1, 1, A], dtype=torch.int32)  # one row, none, and the others
    return functional.grouped_mm(grown(A, 4), grown(3, 4, 8), offs=ends) * 1  # its gradient may not be expanded


def heads_with_weights() -> Tensor:
    layer, query, key = nn.MultiheadAttention(4, 2), grown(A, 2, 4), grown(C, 2, 4)
    result: Tensor = layer(query, key, key)[0]
    return result


def layer(make: Callable[[], nn.Module], *, needs_input_gradient: bool = True) -> Callable[[], Tensor]:
    """Of a recurrent layer on C steps of two samples of width A."""
    return lambda: make()(torch.randn(C, 2, A, requires_grad=needs_input_gradient))[0]


def recurrent(gates: int, layers: int) -> tuple[int, int]:
    """FLOPs of such layers of width B: of the inputs' weights, and of the states'."""
    widths = [A] + [B] * (layers - 1)
    return sum(2 * C * 2 * gates * B * width for width in widths), layers * 2 * C * 2 * gates * B * B


def stepped(run: Callable[[], Tensor], gates: int, layers: int) -> Known:
    """Step by step, where the first state needs no gradient."""
    inputs, states = recurrent(gates, layers)
    return Known(run=run, forward=inputs + states, backward=2 * inputs + 2 * states - states // C)


PAIRS = 2 * 2 * A * B * D  # two samples, two heads
GRU = stepped(layer(lambda: nn.GRU(A, B, 2)), 3, 2)
LSTM = recurrent(4, 2)
HEADS = 2 * 2 * (2 * A + 2 * C) * 4 * 4, 2 * 2 * A * C * 4  # projections of queries, keys, values and results; scores

KNOWN: dict[str, Known] = {
    "matrix by matrix": product(lambda: grown(A, B) @ grown(B, C), A, B, C),
    "reflected": product(lambda: Tensor.__rmatmul__(grown(B, C), grown(A, B)), A, B, C),
    "vector by matrix": product(lambda: grown(B) @ grown(B, C), B, C),
    "matrix by vector": Known(run=lambda: grown(A, B) @ grown(B), forward=2 * A * B, backward=2 * A * B),
    "vector by vector": Known(run=lambda: grown(A) @ grown(A), forward=2 * A, backward=0),
    "complex": Known(run=complex_product, forward=8 * A * B * C, backward=16 * A * B * C),
    "onto a bias": product(lambda: torch.addmm(grown(C), grown(A, B), grown(B, C)), A, B, C),
    "batched onto a bias": product(
        lambda: torch.baddbmm(grown(2, A, C), batch1=grown(2, A, B), batch2=grown(2, B, C)), 2, A, B, C
    ),
    "over two dimensions": product(
        lambda: torch.tensordot(grown(A, B, C), grown(C, B, D), dims=([1, 2], [1, 0])), A, B, C, D
    ),
    "distances of few points": product(lambda: torch.cdist(grown(A, B), grown(C, B)), A, B, C),
    "distances of many points": product(lambda: torch.cdist(grown(30, B), grown(40, B)), 30, B, 40),
    "grouped": product(grouped_product, A, 4, 8),
    "einsum": product(lambda: torch.einsum("bid,bjd->bij", grown(2, A, B), grown(2, C, B)), 2, A, B, C),
    "einsum with an ellipsis": product(
        lambda: torch.einsum("...id,...dj->...ij", grown(2, D, A, B), grown(D, B, C)), 2, D, A, B, C
    ),
    "einsum of three": Known(
        run=lambda: torch.einsum("ij,jk,kl->il", grown(A, B), grown(B, C), grown(C, D)),
        forward=2 * (A * B * C + A * C * D),
        backward=4 * (A * B * C + A * C * D),
    ),
    "einsum without a sum": Known(run=lambda: torch.einsum("i,j->ij", grown(A), grown(B)), forward=0, backward=0),
    "einsum of sums": Known(run=lambda: torch.einsum("ij,kl->il", grown(A, B), grown(C, D)), forward=0, backward=0),
    "convolution": product(lambda: functional.conv1d(grown(2, A, 9), grown(B, A, 3)), 2, B, 7, A, 3),
    "convolution with padding": product(
        lambda: functional.conv1d(grown(2, A, 9), grown(B, A, 3), padding="same"), 2, B, 9, A, 3
    ),
    "convolution in groups": product(
        lambda: functional.conv2d(grown(2, 4, 9, 9), grown(6, 2, 3, 3), groups=2), 2, 6, 7, 7, 2, 3, 3
    ),
    "convolution of volumes": product(
        lambda: functional.conv3d(grown(2, A, 4, 4, 4), grown(B, A, 2, 2, 2), stride=2), 2, B, 2, 2, 2, A, 2, 2, 2
    ),
    "transposed convolution": product(
        lambda: functional.conv_transpose1d(grown(2, A, 9), grown(A, B, 3), stride=2), 2, A, 9, B, 3
    ),
    "fused attention": Known(run=attended(2), forward=4 * PAIRS, backward=10 * PAIRS),
    "attention by products": Known(run=attended(2, is_dropping=True), forward=4 * PAIRS, backward=8 * PAIRS),
    "grouped queries": Known(run=attended(4), forward=8 * PAIRS, backward=20 * PAIRS),
    "heads that return weights": Known(
        run=heads_with_weights, forward=HEADS[0] + 2 * HEADS[1], backward=2 * HEADS[0] + 4 * HEADS[1]
    ),
    "lstm": Known(run=layer(lambda: nn.LSTM(A, B, 2)), forward=sum(LSTM), backward=2 * sum(LSTM)),
    "lstm whose input needs no gradient": Known(
        run=layer(lambda: nn.LSTM(A, B, 2), needs_input_gradient=False), forward=sum(LSTM), backward=2 * sum(LSTM)
    ),
    "gru": GRU,
    "rnn": stepped(layer(lambda: nn.RNN(A, B)), 1, 1),
    "gru whose input needs no gradient": Known(
        run=layer(lambda: nn.GRU(A, B, 2), needs_input_gradient=False),
        forward=GRU.forward,
        backward=GRU.backward - 2 * C * 2 * 3 * B * A,
    ),
    "fourier": Known(
        run=lambda: torch.fft.fftn(grown(2, 8, 4), dim=(1, 2)).real, forward=5 * 64 * 5, backward=5 * 64 * 5
    ),
}


def independently(run: Callable[[], Tensor]) -> tuple[int, int]:
    counter = FunctionCounter()
    with counter:
        run().sum().backward()
    return counter.forward.total(), counter.backward.total()


def by_layerprof(run: Callable[[], Tensor]) -> tuple[int, int]:
    forward, backward = make_counter(lambda: -1), make_counter(lambda: -1)
    with forward:
        result = run()
    with backward:
        result.sum().backward()
    assert forward.uncounted == backward.uncounted == {}
    return forward.total, backward.total


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_the_independent_counter_knows_it(known: Known) -> None:
    assert independently(known.run) == (known.forward, known.backward)


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_layerprof_knows_it(known: Known) -> None:
    assert by_layerprof(known.run) == (known.forward, known.backward)


def test_both_know_bilinear_layers() -> None:
    weight, left, right = torch.randn(C, A, B), torch.randn(D, A), torch.randn(D, B)
    counter, ours = FunctionCounter(), make_counter(lambda: -1)

    with counter, ours:
        functional.bilinear(left, right, weight)

    assert counter.flops == ours.total == 2 * D * C * A * B + 2 * D * C * B


def test_attention_that_is_told_to_is_done_by_products() -> None:
    with sdpa_kernel(SDPBackend.MATH):
        assert independently(attended(2)) == by_layerprof(attended(2)) == (4 * PAIRS, 8 * PAIRS)


def test_a_gradient_that_nobody_asks_for_is_not_counted() -> None:
    def run() -> Tensor:
        return torch.randn(A, B) @ grown(B, C)

    assert independently(run) == by_layerprof(run) == (2 * A * B * C, 2 * A * B * C)


def test_a_product_that_the_loss_does_not_reach_has_no_backward() -> None:
    def run() -> Tensor:
        weight = grown(B, C)
        _ = grown(A, B) @ weight
        return weight * 1

    assert independently(run) == by_layerprof(run) == (2 * A * B * C, 0)


HIDING: Sequence[Callable[[], object]] = (
    lambda: torch.addmv(torch.ones(A), torch.ones(A, B), torch.ones(B)),
    lambda: torch.fft.rfft(torch.ones(A)),
    lambda: torch.linalg.inv(torch.eye(A)),
    lambda: torch.chain_matmul(torch.ones(A, B), torch.ones(B, C), torch.ones(C, D)),
    lambda: nn.LSTMCell(A, B)(torch.ones(A)),
)


@pytest.mark.parametrize("run", HIDING)
def test_a_function_that_may_hide_products_fails_the_independent_count(run: Callable[[], object]) -> None:
    with pytest.raises(AssertionError, match="may have products inside"), FunctionCounter():
        run()
