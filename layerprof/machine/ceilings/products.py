"""The rate of matrix products in one format: the best over square shapes that grow until one takes too long.

    128 ── 256 ── 512 ── … ── 8192        2·width³ FLOPs each, 8 times as many from one width to the next

Small shapes come first, so that a format which torch multiplies number by number costs a fraction of a second too.
The right matrix lies column by column, as the weight of a linear layer does and as the 8-bit products require.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from layerprof.machine.ceilings.base import Bench, Reading

_WIDTHS = (128, 256, 512, 1024, 2048, 4096, 8192)
_BUDGET_S = 0.04  # for one width; a product longer than this is run twice
_LONGEST_S = 0.3  # that the next width's product may be expected to take
_GROWTH = 8  # of the work from one width to the next
_BYTES_PER_PLACE = 4 * 8  # two factors, the product and a copy while they are made, of at most 8 bytes a number
_TF32 = "tf32"
_FLOAT8 = ("float8_e4m3fn", "float8_e4m3fnuz")
# Torch refuses two factors of these; the units multiply them as fast as those of the same width that stand in.
_STAND_INS = {"float8_e5m2": "float8_e4m3fn", "float8_e5m2fnuz": "float8_e4m3fnuz"}
_PLAIN = ("float64", "float32", "bfloat16", "float16")


def product_rate(dtype: str, bench: Bench) -> Reading:
    """FLOP/s of matrix products in a format, multiply and add counted separately; None with why where there are none.

    Args:
        dtype: as torch names it, or ``tf32``: single precision in it, where torch's settings have it so.
        bench: the device, and how to time it.
    """
    multiplied = _STAND_INS.get(dtype, dtype)
    refusal = _refusal(multiplied, bench.device)
    if refusal is not None:
        return Reading(value=None, how=refusal)
    available_bytes = bench.available_bytes()

    def time_s(width: int) -> float:
        if available_bytes is not None and _BYTES_PER_PLACE * width**2 > available_bytes:
            raise MemoryError("not enough memory")
        return bench.best_s(_product(multiplied, width, bench.device), budget_s=_BUDGET_S)

    reading = best_rate(time_s)
    return reading if multiplied == dtype else replace(reading, how=f"as {multiplied}: {reading.how}")


def best_rate(time_s: Callable[[int], float]) -> Reading:
    """The best rate over growing widths.

    Args:
        time_s: how long the product of two square matrices of a width takes; may raise a ``RuntimeError`` or a
            ``MemoryError``, after which no wider one is tried.
    """
    best = Reading(value=None, how="")
    for width in _WIDTHS:
        try:
            product_s = time_s(width)
        except (RuntimeError, MemoryError) as error:
            return best if best.value else Reading(value=None, how=f"torch refused: {_first_line(error)}")
        rate = 2 * width**3 / product_s
        if best.value is None or rate > best.value:
            best = Reading(value=rate, how=f"{width} × {width} by {width} × {width}")
        if _GROWTH * product_s > _LONGEST_S:
            break
    return best


def _refusal(dtype: str, device: torch.device) -> str | None:
    """Why products in this format are not tried, or None."""
    if dtype not in (*_PLAIN, *_FLOAT8, _TF32, "int8"):
        return "no product in this format is measured"
    if device.type != "cuda":
        if dtype == _TF32:
            return "a format of GPUs"
        return "torch multiplies it number by number on a CPU" if dtype in _FLOAT8 else None
    is_rounded = torch.backends.cuda.matmul.fp32_precision == _TF32
    if dtype == "float32" and is_rounded:
        return "torch's settings round single precision to tf32"
    if dtype == _TF32 and not is_rounded:
        return "torch's settings do not round single precision to it"
    return None


def _product(dtype: str, width: int, device: torch.device) -> Callable[[], object]:
    """A product of two square matrices, ready to run."""
    left, right = _matrix(dtype, width, device), _matrix(dtype, width, device).t()
    if dtype in _FLOAT8:
        one = torch.ones((), device=device)
        return lambda: torch._scaled_mm(left, right, scale_a=one, scale_b=one, out_dtype=torch.bfloat16)
    if dtype == "int8":
        sums = torch.empty(width, width, dtype=torch.int32, device=device)
        return lambda: torch._int_mm(left, right, out=sums)
    product = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=product)


def _matrix(dtype: str, width: int, device: torch.device) -> torch.Tensor:
    """Different numbers, none of them so small that a processor slows down over it."""
    low, high = (-100.0, 100.0) if dtype == "int8" else (0.5, 1.5)
    numbers = torch.linspace(low, high, width * width, dtype=torch.float32, device=device).view(width, width)
    return numbers.to(torch.float32 if dtype == _TF32 else getattr(torch, dtype))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
