"""Products with a sparse matrix count what it stores, which is in its data."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from flop_counts import MULTIPLY_AND_ADD, counted, flops_of
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

import layerprof as lp

SPARSE: dict[str, Callable[[Tensor], Tensor]] = {
    "coordinates": lambda x: x.to_sparse(),
    "rows": lambda x: x.to_sparse_csr(),
    "columns": lambda x: x.to_sparse_csc(),
}
STORED, COLUMNS = 3, 5


def matrix() -> Tensor:
    dense = torch.zeros(4, 6)
    dense[[0, 1, 3], [5, 2, 0]] = 1.0
    return dense


@pytest.mark.filterwarnings("ignore:Sparse C:UserWarning")
@pytest.mark.parametrize("make", SPARSE.values(), ids=SPARSE)
def test_a_sparse_matrix_multiplies_what_it_stores(make: Callable[[Tensor], Tensor]) -> None:
    sparse, dense = make(matrix()), torch.ones(6, COLUMNS)

    assert flops_of(lambda: sparse @ dense) == MULTIPLY_AND_ADD * STORED * COLUMNS
    assert flops_of(lambda: torch.sparse.mm(sparse, dense)) == MULTIPLY_AND_ADD * STORED * COLUMNS


class Held(nn.Module):
    """A product with a sparse matrix that stands in no parameter or buffer."""

    def __init__(self, sparse: Tensor) -> None:
        super().__init__()
        self._sparse = [sparse]

    def forward(self, x: Tensor) -> Tensor:
        return self._sparse[0] @ x


@pytest.mark.filterwarnings("ignore:Sparse C:UserWarning")
@pytest.mark.parametrize("make", [SPARSE["coordinates"], SPARSE["rows"]], ids=["coordinates", "rows"])
def test_a_sparse_matrix_that_meets_fakes_counts_and_moves_what_it_stores(make: Callable[[Tensor], Tensor]) -> None:
    model, x = Held(make(matrix())), torch.ones(6, COLUMNS)
    real = lp.profile(model, x, passes=("flops",), warmup=0, repeats=1)

    report = lp.count_flops(model, x)

    assert report.total == MULTIPLY_AND_ADD * STORED * COLUMNS
    assert report.uncounted == ()
    assert report.bytes_moved == real.root.bytes_moved


def test_a_sparse_matrix_without_data_is_not_counted_in_silence() -> None:
    with FakeTensorMode() as mode:
        sparse, x = mode.from_tensor(matrix().to_sparse()), torch.ones(6, COLUMNS)
        counter = counted(lambda: sparse @ x)

    assert counter.total == 0
    assert counter.uncounted != {}


@pytest.mark.parametrize(
    "multiply",
    [lambda x: torch.sparse.mm(x, x), lambda x: torch.bmm(torch.stack([x]), torch.ones(1, 3, 3))],
    ids=["two sparse ones", "a batch"],
)
def test_a_sparse_product_without_a_formula_is_not_known(multiply: Callable[[Tensor], Tensor]) -> None:
    sparse = torch.eye(3).to_sparse()

    with torch.no_grad():
        counter = counted(lambda: multiply(sparse))

    assert counter.total == 0
    assert counter.uncounted != {}
