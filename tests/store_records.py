"""Records of every kind that is stored, for the tests of storing them."""

from __future__ import annotations

from pathlib import Path

import layerprof as lp
from layerprof.records import CellRecord, FrozenMapping, PlanRecord, SweepRecord
from layerprof.testing import ThreadNet


def real_profile() -> lp.Profile:
    """A measured profile, with times of the system's clock."""
    net = ThreadNet()
    return lp.profile(net, net.inputs, passes=("time", "flops", "memory"), warmup=1, repeats=6)


def cell(id: str = "a1") -> CellRecord:
    return CellRecord(
        id=id,
        axes=FrozenMapping({"batch_size": 2, "dtype": "bf16", "train": False, "rate": 0.5, "image_size": None}),
        status="done",
        metrics=FrozenMapping({"latency_s": 0.25, "peak_bytes": 7, "energy_j": None}),
        notes=(lp.Note(code="unsteady", quantity="latency_s", scope="step", text="noisy"),),
    )


def sweep(*cells: CellRecord) -> SweepRecord:
    plan = PlanRecord(
        name="batch", model="blip2-tiny", axes=(("batch_size", (1, 2)),), fixed=FrozenMapping({"seed": 0})
    )
    return SweepRecord(plan=plan, cells=cells)


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
