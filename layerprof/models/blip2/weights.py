"""Random weights, the same for one seed on every device and, to rounding, in every dtype.

    pool   N(0, 0.02), a prime number of values, drawn once on the CPU in float32
             |  a run of it for each tensor, one after the other, beginning again at the end
             v
    weights and biases = the run       weights of layer norms = 1

Copying runs takes a tenth of the time of drawing 3.7 billion numbers, and gives the CPU and the GPU, float32 and
bfloat16, the same model to run. Because the pool's length is prime, no two rows of a matrix are the same run.

Limits:
    The values are no sample of any trained model's: time, FLOPs and memory do not depend on them, quality does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from transformers import Blip2ForConditionalGeneration

_POOL_SIZE = 4_194_301  # the largest prime below 2**22: 16 MiB in float32
_DEVIATION = 0.02  # the library's initializer_range; its default for the vision tower, 1e-10, would vanish
_SMALLEST = 1e-4  # above float16's smallest normal number, 6.1e-5: arithmetic on denormals is slow


def fill_randomly(model: Blip2ForConditionalGeneration, *, device: torch.device, seed: int) -> None:
    """Gives a model of the meta device its storage and random weights; the global random state is not touched.

    Args:
        model: as `meta_model` makes it.
        device: where the weights are to be; on the meta device nothing is filled.
        seed: of the weights.
    """
    model.to_empty(device=device)
    model.tie_weights()  # to_empty gives tied parameters a storage each
    if device.type != "meta":
        _fill(model, noise_pool(seed))


def noise_pool(seed: int) -> torch.Tensor:
    """Normal numbers without zeros and denormals.

    Shape:
        (4194301,), float32, on the CPU.
    """
    generator = torch.Generator(device="cpu").manual_seed(seed)
    noise = torch.empty(_POOL_SIZE).normal_(std=_DEVIATION, generator=generator)
    return noise.abs().clamp_(min=_SMALLEST).copysign_(noise)


@torch.no_grad()
def _fill(model: nn.Module, pool: torch.Tensor) -> None:
    parameters = list(model.parameters())
    pools = {
        parameter.dtype: pool.to(parameter.device, parameter.dtype) for parameter in _one_of_each_dtype(parameters)
    }
    scales = {id(module.weight) for module in model.modules() if isinstance(module, nn.LayerNorm)}
    start = 0
    for parameter in parameters:
        if id(parameter) in scales:
            parameter.fill_(1.0)
        else:
            start = _copy_run(pools[parameter.dtype], start, parameter.view(-1))


def _one_of_each_dtype(parameters: Iterable[nn.Parameter]) -> Iterable[nn.Parameter]:
    return {parameter.dtype: parameter for parameter in parameters}.values()


def _copy_run(source: torch.Tensor, start: int, target: torch.Tensor) -> int:
    """Copies from ``source`` at ``start`` on, round and round, until ``target`` is full; returns where it stopped."""
    filled = 0
    while filled < target.numel():
        count = min(source.numel() - start, target.numel() - filled)
        target[filled : filled + count].copy_(source[start : start + count])
        filled += count
        start = (start + count) % source.numel()
    return start
