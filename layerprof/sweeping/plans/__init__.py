"""Plans: `layerprof.Plan`, plans from files, and the built-in ones."""

from __future__ import annotations

from collections.abc import Sequence

from layerprof.records import AxisValue
from layerprof.sweeping.plans.base import Exclude, Plan, Subplan
from layerprof.sweeping.plans.files import read_plan
from layerprof.sweeping.plans.published import LengthKind, reference

__all__ = ["Exclude", "LengthKind", "Plan", "Subplan", "batch", "read_plan", "reference"]


def batch(
    model: str = "blip2-tiny",
    *,
    sizes: Sequence[int] = (1, 4, 8, 16),
    samples: int = 16,
    device: str = "cpu",
    dtype: str | None = None,
) -> Plan:
    """The reference report's batch test: the same samples in batches of growing size.

    Args:
        model: a preset.
        sizes: samples of a step; one that is above ``samples`` is a skipped row.
        samples: how many of the sample data are used.
        device: such as ``cpu`` or ``cuda``.
        dtype: ``fp32``, ``bf16`` or ``fp16``; None is the preset's own.

    Raises:
        InputError: for a bad value.
    """
    fixed: dict[str, AxisValue] = {"samples": samples, "device": device, **({} if dtype is None else {"dtype": dtype})}
    return Plan(name="batch", model=model, axes={"batch_size": tuple(sizes)}, fixed=fixed)
