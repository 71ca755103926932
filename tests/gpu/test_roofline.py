"""Ceilings and places under them on hardware: products near the ceiling of their format, copies near the bandwidth."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

import layerprof as lp
from gpu.subjects import DEVICE, OnDevice

TOKENS, WIDTH = 4096, 8192  # a product large enough that nothing but the tensor cores matters


class Product(OnDevice):
    """One large product in the format of its weight."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, WIDTH, bias=False, device=DEVICE, dtype=dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = self.fc(x)
        return product


class Mover(OnDevice):
    """Copies far more than the cache holds."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clone()


@pytest.fixture
def rounds_to_tf32() -> Iterator[None]:
    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    yield
    torch.backends.cuda.matmul.fp32_precision = before


def profile_of(model: nn.Module, inputs: torch.Tensor) -> lp.Profile:
    return lp.profile(model, inputs, passes=("time", "ops", "flops"), warmup=2, repeats=6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_a_large_product_is_bound_by_the_ceiling_of_its_format(dtype: torch.dtype) -> None:
    profile = profile_of(Product(dtype), torch.ones(TOKENS, WIDTH, device=DEVICE, dtype=dtype))

    layer = profile["fc"]
    assert set(layer.flops_by_dtype or ()) == {str(dtype).removeprefix("torch.")}
    assert layer.bound == "compute"
    assert layer.efficiency is None or 0.5 < layer.efficiency <= 1.0  # None: flagged, a little above its ceiling


@pytest.mark.usefixtures("rounds_to_tf32")
def test_single_precision_that_is_rounded_is_held_against_its_own_ceiling() -> None:
    profile = profile_of(Product(torch.float32), torch.ones(TOKENS, WIDTH, device=DEVICE))

    assert set(profile["fc"].flops_by_dtype or ()) == {"tf32"}
    assert profile.ceilings is not None
    assert "tf32" in profile.ceilings.matrix_flops_per_s
    assert "kernels_in_other_format" not in {note.code for note in profile.notes}


def test_a_large_copy_is_bound_by_memory() -> None:
    profile = profile_of(Mover(), torch.ones(2**28, device=DEVICE))  # 1 GiB

    assert profile.root.bound == "memory"
    assert profile.root.efficiency is None or 0.5 < profile.root.efficiency <= 1.0


def test_measured_ceilings_are_below_the_vendors_peaks() -> None:
    profile = profile_of(Product(torch.bfloat16), torch.ones(TOKENS, WIDTH, device=DEVICE, dtype=torch.bfloat16))

    assert profile.ceilings is not None
    assert profile.peaks is not None
    assert profile.ceilings.matrix_flops_per_s["bfloat16"] < profile.peaks.matrix_flops_per_s["bfloat16"]
    assert profile.ceilings.copy_bytes_per_s is not None
    assert profile.peaks.copy_bytes_per_s is not None
    assert profile.ceilings.copy_bytes_per_s < profile.peaks.copy_bytes_per_s
