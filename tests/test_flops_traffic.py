"""The least traffic of each op, against bytes added up by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from layerprof.flops import FlopCounter, make_counter

F32, F64, I64, BOOL = 4, 8, 8, 1  # bytes of an element


def counted(function: Callable[[], object]) -> FlopCounter:
    counter = make_counter(lambda: -1)
    with torch.no_grad(), counter:
        function()
    return counter


def moved(function: Callable[[], object]) -> int:
    counter = counted(function)

    assert counter.total_bytes == sum(counter.bytes_moved.values())
    assert counter.unsized == set()
    return counter.total_bytes


A, B, V = torch.ones(4, 8), torch.ones(8, 2), torch.ones(8)
TABLE, PICKED = torch.ones(1000, 8), torch.tensor([3, 5])
MASK = torch.ones(4, 8, dtype=torch.bool)
SPARSE = torch.eye(4).to_sparse()
SUMS, NUMBERS, NUMBER, ROW, ROWS = (
    torch.ones(1000, 8),
    torch.ones(1000),
    torch.ones(()),
    torch.ones(8),
    torch.ones(2, 8),
)
CHOOSING = torch.arange(1000) < 3

CASES: dict[str, tuple[Callable[[], object], int]] = {
    "a product reads both and writes one": (lambda: A @ B, (32 + 16 + 8) * F32),
    "a wider format moves more": (lambda: A.double() * 1.0, 32 * (F32 + F64) + 2 * 32 * F64),
    "elementwise reads both": (lambda: A + A.clone(), (2 * 32 + 3 * 32) * F32),
    "one tensor given twice is read once": (lambda: A + A, 2 * 32 * F32),
    "a view of it that is the same is read once": (lambda: A + A.view(4, 8), 2 * 32 * F32),
    "two halves of one storage are two": (lambda: A[:2] + A[2:], (16 + 16 + 16) * F32),
    "overlapping views are at most their storage": (lambda: torch.maximum(A[:3], A[1:]), (32 + 24) * F32),
    "an expanded dimension is there once": (lambda: V.expand(100, 8) * 2.0, (8 + 800) * F32),
    "overlapping windows are at most their storage": (lambda: V.unfold(0, 4, 1) * 2.0, (8 + 20) * F32),
    "a part of a storage is what it reads": (lambda: A[0] * 2.0, (8 + 8) * F32),
    "views move nothing": (lambda: A.t().reshape(8, 2, 2).transpose(0, 1)[0].unsqueeze(0).expand(3, 8, 2), 0),
    "a reshape that copies moves": (lambda: A.t().reshape(32), 2 * 32 * F32),
    "in place reads and writes": (lambda: A.clone().add_(1.0), (2 * 32 + 2 * 32) * F32),
    "a copy into another reads one and writes one": (lambda: torch.empty(4, 8).copy_(A), 2 * 32 * F32),
    "filling writes": (lambda: torch.empty(4, 8).zero_(), 32 * F32),
    "zeros are written": (lambda: torch.zeros(4, 8), 32 * F32),
    "zeros like another do not read it": (lambda: torch.zeros_like(A), 32 * F32),
    "nothing is made of empty": (lambda: torch.empty(4, 8), 0),
    "an output that is given is not read": (lambda: torch.mul(A, 2.0, out=torch.empty(4, 8)), 2 * 32 * F32),
    "a list is all its tensors": (lambda: torch.cat([A, A.clone()]), (2 * 32 + 2 * 2 * 32) * F32),
    "an embedding reads what it picks": (
        lambda: functional.embedding(PICKED, TABLE),
        2 * I64 + 2 * (2 * 8) * F32,
    ),
    "picking more than there is reads the table once": (
        lambda: functional.embedding(torch.zeros(50, dtype=torch.long), torch.ones(2, 8)),
        50 * I64 + 16 * F32 + 50 * 8 * F32 + 50 * I64 + 16 * F32,  # and the zeros and ones are made
    ),
    "an index reads what it picks": (lambda: TABLE[PICKED], 2 * I64 + 2 * 16 * F32),
    "a bag reads its rows": (
        lambda: functional.embedding_bag(PICKED.unsqueeze(0), TABLE, mode="sum"),
        2 * I64 + 16 * F32 + 8 * F32 + (1 + 1 + 2) * I64,  # rows, their sum; offsets made and read, sizes and maxima
    ),
    "an index copy touches what it is given": (
        lambda: TABLE.clone().index_copy_(0, PICKED, torch.ones(2, 8)),
        2 * 8000 * F32 + 16 * F32 + (16 + 16) * F32 + 2 * I64,
    ),
    "an index add reads what it adds to": (
        lambda: TABLE.clone().index_add_(0, PICKED, torch.ones(2, 8)),
        2 * 8000 * F32 + 16 * F32 + (2 * 16 + 16) * F32 + 2 * I64,
    ),
    "an index add of one index touches a slice": (
        lambda: SUMS.index_add_(0, PICKED, ROWS),
        (2 * 16 + 16) * F32 + 2 * I64,
    ),
    "filling by index writes whole slices": (lambda: SUMS.index_fill_(1, PICKED, 0.0), (2 * 1000) * F32 + 2 * I64),
    "one number may be put into many places": (
        lambda: SUMS.index_put_((PICKED,), NUMBER),
        (2 * 8) * F32 + F32 + 2 * I64,
    ),
    "one row may be put into many": (lambda: SUMS.index_put_((PICKED,), ROW), (2 * 8 + 8) * F32 + 2 * I64),
    "what is put on top is read too": (
        lambda: SUMS.index_put_((PICKED,), ROW, accumulate=True),
        (2 * 2 * 8 + 8) * F32 + 2 * I64,
    ),
    "indices meet each other": (
        lambda: SUMS.index_put_((PICKED.view(2, 1), PICKED), NUMBER),
        (2 * 2) * F32 + F32 + 2 * I64,  # the same storage seen twice is at most that storage
    ),
    "a dimension that is not indexed is written whole": (
        lambda: SUMS.t().index_put_((PICKED,), NUMBER),
        (2 * 1000) * F32 + F32 + 2 * I64,
    ),
    "a mask chooses as many as are true": (
        lambda: SUMS.index_put_((CHOOSING,), ROW),
        (3 * 8 + 8) * F32 + 1000 * BOOL,
    ),
    "a scatter writes an element for each index": (
        lambda: SUMS.scatter_(0, torch.empty(2, 8, dtype=torch.long).zero_(), 1.0),
        (2 * 8) * F32 + 2 * (2 * 8) * I64,  # the indices are filled and read
    ),
    "an expanded part of a storage is there once": (lambda: NUMBERS[:8].expand(100, 8) * 2.0, (8 + 800) * F32),
    "a mask is one byte an element": (lambda: A.masked_fill(MASK, 0.0), 32 * BOOL + 2 * 32 * F32),
    "asking whether they are equal reads both": (lambda: torch.equal(A, torch.ones(4, 8)), (32 + 2 * 32) * F32),
    "a number that is taken out is read": (lambda: A.sum().item(), 32 * F32 + F32 + F32),
    "a convolution reads input, weight and bias": (
        lambda: functional.conv1d(torch.empty(2, 3, 10), torch.empty(5, 3, 3), torch.empty(5)),
        (60 + 45 + 5 + 2 * 5 * 8) * F32,
    ),
    "sparse tensors are their parts": (
        lambda: torch.sparse.mm(SPARSE, torch.empty(4, 2)),
        (2 * 4) * I64 + 4 * F32 + 8 * F32 + (3 * 8) * F32,  # zeros are made, added to the product, and it is written
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_op_moves_at_least(name: str) -> None:
    function, expected = CASES[name]

    assert moved(function) == expected


def test_an_attention_reads_its_three_inputs_and_writes_its_output() -> None:
    query, key, value = (torch.empty(1, 2, 4, 8) for _ in range(3))

    counter = counted(lambda: functional.scaled_dot_product_attention(query, key, value))

    statistics = 1 * 2 * 4  # the logarithms of sums that backward needs
    assert counter.total_bytes == (4 * 64 + statistics) * F32


def test_fakes_move_what_real_tensors_would() -> None:
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.Flatten(), nn.Linear(4 * 36, 5))
    model = nn.Sequential(*layers).eval()
    real = moved(lambda: model(torch.ones(2, 3, 8, 8)))

    with FakeTensorMode(allow_non_fake_inputs=True):  # whose views of real weights do not share their storage
        fake = moved(lambda: model(torch.ones(2, 3, 8, 8)))

    assert fake == real


def test_a_launch_is_an_op_that_moves_bytes() -> None:
    counter = counted(lambda: (A.t() @ A).view(64).add(1.0).unsqueeze(0))

    assert counter.launches == {-1: 2}


def test_an_op_whose_size_depends_on_data_leaves_the_bytes_unknown() -> None:
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    with FakeTensorMode(shape_env=ShapeEnv()):
        counter = counted(lambda: torch.ones(6).nonzero())

    assert counter.unsized == {"aten.nonzero.default"}


def test_a_slice_that_is_not_indexed_is_written_whole_by_what_python_writes() -> None:
    def write() -> None:
        torch.ones(100, 8)[:, PICKED] = 0.0

    assert moved(write) == 800 * F32 + (2 * 100) * F32 + F32 + 2 * I64


def test_a_mask_without_data_may_choose_everything() -> None:
    with FakeTensorMode():
        target, row, mask = torch.ones(100, 8), torch.ones(8), torch.ones(100, dtype=torch.bool)

        assert moved(lambda: target.index_put_((mask,), row)) == (800 + 8) * F32 + 100 * BOOL


def test_a_mask_with_data_beside_fakes_chooses_what_it_does() -> None:
    with FakeTensorMode(allow_non_fake_inputs=True):
        target, row = torch.ones(1000, 8), torch.ones(8)

        assert moved(lambda: target.index_put_((CHOOSING,), row)) == (3 * 8 + 8) * F32 + 1000 * BOOL


class Wrapped(Tensor):
    """A tensor of a user's own class."""


def test_a_tensor_of_a_users_class_counts_like_any_other() -> None:
    assert moved(lambda: torch.ones(4).as_subclass(Wrapped) * 2.0) == (4 + 8) * F32
