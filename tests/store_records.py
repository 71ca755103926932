"""Records of every kind that is stored, for the tests of storing them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
from report_records import environment, spec

import layerprof as lp
from layerprof.records import (
    CellRecord,
    Check,
    Closure,
    Energy,
    EnergyConditions,
    EnergyCounter,
    EnergySummary,
    EnergyUnit,
    FrozenMapping,
    KernelProfile,
    LayerProfile,
    MemorySummary,
    OpProfile,
    Overhead,
    PeakOwner,
    PhaseProfile,
    PlanRecord,
    Quantities,
    StageProfile,
    SweepRecord,
    Timeline,
    UncountedOp,
)
from layerprof.testing import ThreadNet

NOT_STORED = ("timeline", "folder")


def real_profile() -> lp.Profile:
    """A measured profile, with times of the system's clock."""
    net = ThreadNet()
    return lp.profile(net, net.inputs, passes=("time", "flops", "memory"), warmup=1, repeats=6)


def samples(*values: float) -> lp.Distribution:
    return lp.Distribution(samples=values)


def quantities(start: int) -> Quantities:
    """Quantities of which every one is there, and no two are the same."""
    names = [field.name for field in fields(Quantities)]
    numbers = {name: start + position for position, name in enumerate(names)}
    timed = [name for name in names if name.endswith("_s") and not name.endswith("_per_s") and name != "least_s"]
    times = {name: samples(numbers[name] * 1e-9, 0.1 + numbers[name]) for name in timed}
    energy = joules_of(start)
    joules = {"energy": energy, "self_energy": replace(energy, ci95_j=None, kind="replayed", flags=())}
    others = {"flops_by_dtype": FrozenMapping({"bfloat16": start, "float32": 2}), "bound": "memory"}
    counts = {name: number for name, number in numbers.items() if name not in {*times, *joules, *others}}
    return Quantities(**counts, **times, **joules, **others)  # type: ignore[arg-type]  # by the names' endings


def joules_of(start: int) -> Energy:
    """Joules of which every field holds something."""
    return Energy(
        total_j=1.5 + start,
        kind="measured",
        source="nvml",
        ci95_j=(1.0, 2.0),
        window_s=1.0,
        resolution_s=0.1,
        power_w=200.5,
        idle_j=0.25,
        quantisation_j=0.125,
        sensor_rel=0.05,
        windows=5,
        flags=("cold", "throttled"),
    )


def energy_summary() -> EnergySummary:
    """The energy of a step in which every field holds something, and units that differ."""
    finding = lp.Note(code="late", quantity="energy", scope="step", text="it is late")
    counter = EnergyCounter(
        source="nvml_energy",
        domain="gpu_board",
        device="a board",
        kind="measured",
        verdict="restricted",
        estimator="edges",
        tick_s=0.1,
        tick_jitter_s=0.002,
        power_tick_s=0.1,
        late_s=0.05,
        pre_roll_s=0.5,
        read_rate="sensitive",
        read_rate_ratios=FrozenMapping({"10 Hz": 1.01, "200 Hz": 0.75}),
        tested_poll_s=0.005,
        power_ratio=1.01,
        load_w=400.0,
        active_idle_w=80.0,
        idle_w=60.0,
        sensor_rel=0.05,
        limit_w=700.0,
        findings=(finding,),
        duration_s=20.0,
    )
    unit = EnergyUnit(
        name="block",
        type_name="Block",
        phase="decode",
        paths=("block", "head"),
        sampled=("block",),
        kind="replayed",
        calls=2,
        power_w=200.0,
        ci95_w=(190.0, 210.0),
        insitu_s=0.02,
        fidelity=1.02,
        windows=5,
        window_s=2.0,
        copies=3,
        footprint_bytes=2**20,
        flags=("rotated",),
        energy=joules_of(2),
    )
    bare = EnergyUnit(name="", type_name="Net", phase="prefill", paths=("",), kind="regressed", calls=1, insitu_s=0.5)
    return EnergySummary(
        counter=counter,
        step=joules_of(1),
        step_power_ci95_w=(198.0, 203.0),
        step_s=0.5,
        units=(unit, bare),
        closure=Closure(
            ratio=0.9,
            ci95=(0.8, 1.0),
            verdict="warn",
            covered=0.75,
            units_j=4.0,
            outside_j=1.5,
            rest_j=1.0,
            gap_j=0.5,
            step_j=6.1,
            parts_ci95_j=(5.0, 6.0),
        ),
        conditions=EnergyConditions(
            temperature_c=(50.0, 60.0),
            clock_hz=(1.2e9, 1.9e9),
            throttled=1,
            throttle_reasons=("power cap",),
            foreign_processes=2,
            drift=1.01,
            facts=FrozenMapping({"driver": "550"}),
        ),
        least_difference_rel=0.03,
        samples=4,
        carbon_g_per_kwh=300.0,
        duration_s=90.0,
        survey_ratio=1.02,
    )


def values_of(row: Quantities) -> dict[str, object]:
    return {field.name: getattr(row, field.name) for field in fields(Quantities)}


def op(name: str, *kernels: KernelProfile) -> OpProfile:
    return OpProfile(
        name=name,
        shapes=((2, 3), (), (0,)),
        calls=2,
        self_s=samples(1e-6, 2e-6, 0.1 + 0.2),
        device_s=samples(3e-6) if kernels else None,
        flops=None if kernels else 12,
        bytes_moved=None if kernels else 48,
        dtype=None if kernels else "bfloat16",
        kernels=kernels,
    )


def layers() -> tuple[LayerProfile, ...]:
    """A root that holds nothing, and two layers that hold everything."""
    kernel = KernelProfile(name="gemm<float>", kind="kernel", calls=2, device_s=samples(3e-6))
    fill = KernelProfile(name="Memset (Device)", kind="memset", calls=1, device_s=samples(1e-7))
    own = quantities(0)
    root = LayerProfile(path="", type_name="Net", kind="container", depth=0, stage="other", calls=1)
    block = LayerProfile(
        path="block",
        aliases=("twin", "again"),
        type_name="Block",
        kind="block",
        depth=1,
        stage="blocks",
        param_count=7,
        param_bytes=28,
        by_phase=FrozenMapping({"prefill": quantities(100), "decode": own, "empty": Quantities()}),
        ops=(op("aten::addmm", kernel, fill), op("aten::relu")),
        provenance="graph-annotated",
        shared=True,
        **values_of(own),  # type: ignore[arg-type]  # the fields of the same class
    )
    head = replace(block, path="head", aliases=(), by_phase=FrozenMapping({"decode": own}), ops=(op("aten::mm"),))
    return root, block, head


def call_tree() -> lp.CallNode:
    below = lp.CallNode(path="block", called_as="twin", phase="decode", calls=3, self_s=samples(0.5), self_flops=3)
    return lp.CallNode(
        path="",
        called_as="",
        phase="prefill",
        calls=0,
        total_s=samples(1.0, 2.0),
        flops=9,
        is_range=True,
        children=(replace(below, children=(replace(below, is_concurrent=True),)), replace(below, path="head")),
    )


def memory() -> MemorySummary:
    return MemorySummary(
        baseline_bytes=5,
        step_peak_bytes=70,
        device="cuda",
        owners=(
            PeakOwner(call_path=("", "block"), phase="decode", size_bytes=60),
            PeakOwner(call_path=(), phase="prefill", size_bytes=3),
        ),
        unowned_bytes=7,
    )


def full_profile() -> lp.Profile:
    """A profile in which every field holds something, and rows differ from each other."""
    own = quantities(0)
    return lp.Profile(
        spec=spec(),
        environment=environment(),
        layers=layers(),
        stages=(StageProfile(name="blocks", paths=("block",), param_count=7, **values_of(own)),),  # type: ignore[arg-type]  # as above
        phases=(
            PhaseProfile(name="prefill", steps=1, unattributed_s=samples(0.25), **values_of(own)),  # type: ignore[arg-type]  # as above
            PhaseProfile(name="decode", steps=7),
        ),
        call_tree=call_tree(),
        latency_s=samples(1.0, 1.5),
        step_s=samples(2.0),
        warmup_s=samples(3.0, 2.0),
        overhead=(
            Overhead(pass_name="time", ratio=1.02, ci95=(1.0, 1.1)),
            Overhead(pass_name="ops", ratio=2, ci95=None),
        ),
        unattributed_s=samples(0.0, 0.0),
        unattributed_flops=9,
        unattributed_device_s=samples(1e-9),
        device_total_s=samples(0.5),
        device_busy_s=samples(0.4),
        device_span_s=samples(0.6),
        memory=memory(),
        energy=energy_summary(),
        unattributed_energy=joules_of(3),
        uncounted=(UncountedOp(op="aten.foo.default", calls=1, layers=("", "head"), time_share=0.5),),
        checks=(Check(name="host_time_books", ok=True, detail="closed"), Check(name="other", ok=False, detail="open")),
        notes=(lp.Note(code="odd", quantity="", scope="*", text="all of it"),),
    )


def timeline(ops: int = 4) -> Timeline:
    """A timeline with something in each of its tables."""
    positions = np.arange(ops, dtype=np.int64)
    return Timeline(
        strings=("aten::mm", "模型 \u2028 \x00 <b>"),
        shapes=(((2, 3), ()), ()),
        steps=FrozenMapping({"start_ns": np.array([2**62]), "end_ns": np.array([2**62 + 1]), "thread": np.array([-1])}),
        ops=FrozenMapping({"name": positions % 2, "start_ns": positions, "end_ns": positions + 1}),
        counters=FrozenMapping(
            {"name": positions % 2, "time_ns": positions, "value": positions / 3},
        ),
        kernels=FrozenMapping({"name": np.empty(0, dtype=np.int64)}),
    )


def first_form(record: object) -> dict[str, object]:
    """The file of a record as layerprof 0.1 wrote it: schema 1."""
    return {"format": "layerprof", "schema": 1, "record": _first(record)}


def _first(value: object) -> object:
    if isinstance(value, lp.Distribution):
        if len(value.samples) > 1 and len(set(value.samples)) == 1:
            return {"is": "Distribution", "value": value.samples[0], "n": value.n}
        return {"is": "Distribution", "samples": list(value.samples)}
    if isinstance(value, FrozenMapping):
        return {"is": "map", "items": [[name, _first(item)] for name, item in value.items()]}
    if isinstance(value, tuple):
        return [_first(item) for item in value]
    if not is_dataclass(value):
        return value
    names = [field.name for field in fields(value) if field.name not in NOT_STORED]
    return {"is": type(value).__name__, **{name: _first(getattr(value, name)) for name in names}}


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
