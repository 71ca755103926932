"""`count_flops` on fakes: which tensors are one, and which numbers are known however many they are."""

from __future__ import annotations

import pytest
import torch
from architectures import FAMILIES, Architecture
from torch import Tensor, nn
from torch.nn.attention.flex_attention import flex_attention
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import layerprof as lp
from layerprof.testing import PRODUCT_FLOPS, ROWS, WIDTH

X = torch.ones(ROWS, WIDTH)


def real(model: nn.Module, inputs: object) -> lp.Profile:
    return lp.profile(model, inputs, passes=("flops",), warmup=0, repeats=1)


class Pair(nn.Module):
    """Multiplies two inputs, unless they are one."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        hidden: Tensor = self.linear(first)
        return hidden if first is second else hidden + self.linear(second)


def test_an_input_that_is_given_twice_is_one_tensor_in_the_model() -> None:
    assert lp.count_flops(Pair(), (X, X)).total == PRODUCT_FLOPS
    assert lp.count_flops(Pair(), (X, X.clone())).total == 2 * PRODUCT_FLOPS


class Views(nn.Module):
    """Holds two views of one table, which it reads in one op."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.ones(WIDTH, WIDTH)
        self.first, self.second = weight[:1], weight[:]

    def forward(self, x: Tensor) -> Tensor:
        return x @ torch.cat([self.first, self.second])[:WIDTH]


def test_views_of_one_tensor_that_a_module_holds_share_its_bytes() -> None:
    assert lp.count_flops(Views(), X).bytes_moved == real(Views(), X).root.bytes_moved


class Large(nn.Module):
    """Takes as many columns as the rows of a large mask that are not hidden."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return x @ torch.ones(WIDTH, int(mask.bool().all(1).sum()))


def test_a_mask_that_is_given_is_known_however_large() -> None:
    mask = torch.ones(3, 2**20, dtype=torch.long)
    mask[0, 0] = 0

    assert lp.count_flops(Large(), (X, mask)).total == 2 * ROWS * WIDTH * 2


def test_a_large_mask_without_data_lets_everything_through() -> None:
    class ByName(Large):
        def forward(self, x: Tensor, attention_mask: Tensor) -> Tensor:
            return super().forward(x, attention_mask)

    mask = torch.ones(3, 2**20, dtype=torch.bool, device="meta")

    assert lp.count_flops(ByName(), {"x": X, "attention_mask": mask}).total == 2 * ROWS * WIDTH * 3


class Packing(nn.Module):
    """A recurrent layer over sequences of unequal length."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LSTM(WIDTH, WIDTH)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        return pad_packed_sequence(self.layer(packed)[0])[0]


@pytest.mark.parametrize("lengths", [(5, 2), (1, 5), (4, 4)], ids=str)
def test_packed_sequences_of_known_lengths_are_counted_without_padding(lengths: tuple[int, int]) -> None:
    inputs = (torch.ones(5, 2, WIDTH), torch.tensor(lengths))

    report = lp.count_flops(Packing(), inputs)

    gates = 4 * (2 * WIDTH * WIDTH + 2 * WIDTH * WIDTH)  # of one token: from the input and from the hidden state
    assert report.total == sum(lengths) * gates == real(Packing(), inputs).step_flops


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning")
def test_attention_as_a_higher_order_op_has_the_flops_of_a_real_run() -> None:
    class Flexible(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            heads = x.unflatten(1, (2, -1))  # (B, H, T, C)
            hidden = flex_attention(heads, heads, heads)
            assert isinstance(hidden, Tensor)
            return hidden

    x = torch.ones(2, 2 * ROWS, WIDTH)

    assert lp.count_flops(Flexible(), x).total == real(Flexible(), x).step_flops == 2 * 2 * 4 * ROWS * ROWS * WIDTH


@pytest.mark.slow  # the library has torch's compiler loaded
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's compiler about torch, when it is loaded
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning")
def test_attention_as_a_higher_order_op_of_transformers_has_the_flops_of_a_real_run() -> None:
    family = next(family for family in FAMILIES if family.name == "llama")
    model, inputs = Architecture(family=family, attention="eager").model(), family.inputs()
    switch = getattr(model, "set_attn_implementation")  # noqa: B009 - torch's types hide it
    switch("flex_attention")

    assert lp.count_flops(model, inputs).total == real(model, inputs).step_flops


def test_a_branch_inside_the_graph_runs_and_is_listed_as_uncounted() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            branches = (lambda one: one * 2, lambda one: one + 1)
            hidden: Tensor = torch.cond(torch.tensor(True), *branches, (x,))
            return hidden @ torch.ones(WIDTH, WIDTH)

    report = lp.count_flops(Branching(), X)

    assert report.total == PRODUCT_FLOPS
    assert [one.op for one in report.uncounted] == ["cond"]
