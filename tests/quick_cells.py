"""What makes runs of cells short where neither size nor roof is the point: a small BLIP-2, and ceilings as given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from layerprof import machine
from layerprof.models.blip2.base import PRESETS, TowerShape
from layerprof.records import Ceilings, FrozenMapping

TINY = "blip2-tiny"
_TOWER = TowerShape(width=16, layers=1, heads=2, mlp_width=32)
_HIGH = 1e18  # above what any machine does, so that nothing is measured once more for having outrun it


@contextmanager
def quick_cells() -> Iterator[None]:
    """The block in which ``blip2-tiny`` has one small layer a tower, and no ceiling is measured in this process."""
    small = replace(PRESETS[TINY], vision=_TOWER, qformer=_TOWER, language=_TOWER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, TINY, small)
        patch.setattr(machine, "ceilings_of", _given)
        yield


def _given(device: torch.device, dtypes: tuple[str, ...], **options: object) -> Ceilings:
    return Ceilings(
        kind="measured",
        device="a processor",
        source="given by a test",
        matrix_flops_per_s=FrozenMapping(dict.fromkeys(dtypes, _HIGH)),
        copy_bytes_per_s=_HIGH,
        launch_s=1.0 / _HIGH,
    )
