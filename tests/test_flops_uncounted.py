"""The table of ops that count as 0, and the promise that what is in no table is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import layerprof as lp
from layerprof import flops

NOT_IN_EVERY_BUILD = {
    *("flash_attn", "flash_attn_3", "torch_attn", "torchvision", "transformers", "xformers_flash"),
    *("c10d", "_c10d_functional", "_c10d_functional_autograd", "mkl", "mkldnn", "onednn", "_native"),
}
LEFT_OPEN = """
_cholesky_solve_helper _compute_linear_combination _cslt_sparse_mm_search _linalg_det _linalg_eigh _linalg_eigvals
_linalg_slogdet _linalg_solve_ex _linalg_svd _sparse_mm_reduce_impl _sparse_mm_reduce_impl_backward
_sparse_sparse_matmul _spsolve cholesky cholesky_inverse cholesky_solve geqrf hspmm linalg_cholesky_ex linalg_eig
linalg_eigvals linalg_householder_product linalg_inv_ex linalg_ldl_factor_ex linalg_ldl_solve linalg_lstsq linalg_lu
linalg_lu_factor_ex linalg_lu_solve linalg_matrix_exp linalg_pinv linalg_qr linalg_solve_triangular ormqr
sparse_sampled_addmm sspaddmm triangular_solve
"""  # solvers, decompositions, and sparse products whose work is in the data


def test_no_op_is_both_counted_and_zero() -> None:
    assert flops.ZERO_OPS & set(flops._BUILT_IN) == set()


def exists(name: str) -> bool:
    library, _, op = name.rpartition(".")
    return hasattr(getattr(torch.ops, library or "higher_order"), op)


def test_every_op_in_the_tables_is_one_of_torchs() -> None:
    names = sorted(flops.ZERO_OPS | set(flops._BUILT_IN))

    assert [name for name in names if name.split(".")[0] not in NOT_IN_EVERY_BUILD and not exists(name)] == []


@pytest.mark.skipif(not torch.__version__.startswith("2.13."), reason="other releases have other ops")
def test_every_op_of_torch_is_in_a_table_or_left_open_on_purpose() -> None:
    names = {name.partition("::")[2].partition(".")[0] for name in op_names() if is_dispatched_whole(name)}

    in_no_table = {name for name in names if f"aten.{name}" not in flops.ZERO_OPS | set(flops._BUILT_IN)}

    assert in_no_table == set(LEFT_OPEN.split())


def op_names() -> list[str]:
    names: list[str] = torch._C._dispatch_get_all_op_names()
    return [
        name for name in names if name.startswith("aten::") and not name.startswith(("aten::_test_", "aten::_foobar"))
    ]


def is_dispatched_whole(name: str) -> bool:
    """Whether it is no mere composite of other ops, which come one by one."""
    return not torch._C._dispatch_has_kernel_for_dispatch_key(name, "CompositeImplicitAutograd")


class Function(nn.Module):
    """A layer that is a function."""

    def __init__(self, function: Callable[[Tensor], object]) -> None:
        super().__init__()
        self._function = function

    def forward(self, x: Tensor) -> object:
        return self._function(x)


def profile_of(model: nn.Module, x: Tensor) -> lp.Profile:
    return lp.profile(model, x, passes=("flops",), warmup=0, repeats=1)


def test_an_uncounted_op_has_its_calls_and_its_layers() -> None:
    exponential = Function(torch.matrix_exp)
    model = nn.Sequential(exponential, nn.ReLU(), exponential, Function(torch.matrix_exp))

    uncounted = profile_of(model, torch.zeros(8, 8)).uncounted

    by_op = {one.op: (one.calls, one.layers) for one in uncounted}
    assert by_op["aten.linalg_matrix_exp.default"] == (3, ("0", "3"))


def test_work_under_no_layer_is_named_without_one() -> None:
    model = nn.Identity()

    profile = lp.profile(model, call=lambda: torch.matrix_exp(torch.eye(8)), passes=("flops",), warmup=0, repeats=1)

    assert [one.layers for one in profile.uncounted] == [()]


PRODUCTS_IN_DISGUISE: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "bilinear": (lambda: Function(lambda x: nn.Bilinear(4, 4, 2)(x, x)), (3, 4)),
    "lstm": (lambda: nn.LSTM(4, 4), (3, 1, 4)),
    "gru": (lambda: nn.GRU(4, 4), (3, 1, 4)),
    "rnn": (lambda: nn.RNN(4, 4), (3, 1, 4)),
    "lstm cell": (lambda: nn.LSTMCell(4, 4), (3, 4)),
    "attention": (lambda: Function(lambda x: nn.MultiheadAttention(4, 2).eval()(x, x, x)), (3, 1, 4)),
    "encoder layer": (lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), (3, 1, 4)),
    "distances": (lambda: Function(lambda x: torch.cdist(x, x)), (30, 4)),
    "fft": (lambda: Function(lambda x: torch.fft.rfft2(x)), (4, 4)),
    "inverse": (lambda: Function(lambda x: torch.linalg.inv(x + 9 * torch.eye(4))), (4, 4)),
    "power": (lambda: Function(lambda x: torch.linalg.matrix_power(x, 3)), (4, 4)),
    "covariance": (lambda: Function(torch.cov), (4, 4)),
}


@pytest.mark.parametrize("name", PRODUCTS_IN_DISGUISE)
def test_a_product_in_disguise_is_counted_or_named_and_never_silently_zero(name: str) -> None:
    make, shape = PRODUCTS_IN_DISGUISE[name]

    profile = profile_of(make(), torch.ones(*shape))

    assert profile.step_flops or profile.uncounted


WITHOUT_FLOPS: dict[str, Callable[[Tensor], object]] = {
    "in place": lambda x: x.acos_().sinh_().atan2_(x).logit_(),
    "windows and padding": lambda x: nn.functional.pad(x[None], (1, 1, 1, 1), mode="replicate").sum().backward(),
    "lists": lambda x: torch._foreach_pow_(torch._foreach_mul([x.detach()], 2.0), 2.0),
    "optimizers": lambda x: step_of(torch.optim.Adagrad, foreach=False) and step_of(torch.optim.AdamW, fused=True),
    "quantizing": lambda x: torch.quantize_per_tensor(x.detach(), 0.1, 0, torch.quint8).dequantize(),
    "losses": lambda x: nn.functional.multi_margin_loss(x, torch.zeros(4, dtype=torch.long)).backward(),
    "pooling": lambda x: nn.functional.adaptive_max_pool3d(x[None, None], 2).sum().backward(),
    "resampling": lambda x: nn.functional.interpolate(x[None, None, None], scale_factor=2, mode="trilinear").sum(),
    "sampling": lambda x: x.detach().geometric_(0.5).cauchy_().log_normal_(),
    "special functions": lambda x: torch.special.bessel_j0(x.detach()) + torch.special.i1e(x.detach()),
}


def step_of(make: Callable[..., torch.optim.Optimizer], **options: bool) -> bool:
    weight = nn.Parameter(torch.ones(3))
    weight.grad = torch.ones(3)
    make([weight], **options).step()
    return True


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
@pytest.mark.parametrize("name", WITHOUT_FLOPS)
def test_what_has_no_flops_is_not_said_to_be_uncounted(name: str) -> None:
    counter = flops.make_counter(lambda: -1)
    x = torch.full((4, 4), 0.5, requires_grad=name in ("windows and padding", "losses", "pooling"))

    with counter:
        WITHOUT_FLOPS[name](x)

    assert counter.total == 0
    assert counter.uncounted == {}
