"""Records built by hand for the tests of views and reports, with books that close by construction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from layerprof.records import (
    AxisValue,
    CellFailure,
    CellRecord,
    Check,
    Distribution,
    Environment,
    FlopReport,
    FrozenMapping,
    LayerProfile,
    MemorySummary,
    Note,
    Overhead,
    PartInfo,
    PlanRecord,
    Profile,
    ProfileSpec,
    StageProfile,
    SweepRecord,
    UncountedOp,
)

STEPS = 6  # so that medians have an interval
UNATTRIBUTED_S = 0.002
UNATTRIBUTED_FLOPS = 50
NO_ENERGY = "no energy counter on this machine; run where NVML or RAPL can be read"
HOSTILE = "<script>alert(1)</script>|[red]a`b`\n=2+2\u202eevil http://evil.example $x$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """What one module took by itself; what is below it is added to its totals."""

    path: str
    type_name: str
    self_s: float = 0.0
    self_flops: int = 0
    params: int = 0
    calls: int = 1


def steady(value: float) -> Distribution:
    return Distribution(samples=(value,) * STEPS)


def two_blocks() -> list[Leaf]:
    """A root, an embedding, a list of two equal blocks and a head."""
    blocks = [
        leaf
        for index in range(2)
        for leaf in (
            Leaf(path=f"layers.{index}", type_name="Block", self_s=0.001),
            Leaf(path=f"layers.{index}.fc1", type_name="Linear", self_s=0.010, self_flops=1000, params=10),
            Leaf(path=f"layers.{index}.fc2", type_name="Linear", self_s=0.020, self_flops=2000, params=10),
        )
    ]
    return [
        Leaf(path="", type_name="Net", self_s=0.003),
        Leaf(path="embed", type_name="Embedding", self_s=0.004, params=7),
        Leaf(path="layers", type_name="ModuleList", calls=0),
        *blocks,
        Leaf(path="head", type_name="Linear", self_s=0.005, self_flops=4000, params=30),
    ]


def many_blocks(count: int) -> list[Leaf]:
    """Enough equal blocks for a model of ``7 * count + 2`` layers."""
    inside = ("", ".norm1", ".attention", ".attention.qkv", ".norm2", ".fc1", ".fc2")
    types = ("Block", "LayerNorm", "Attention", "Linear", "LayerNorm", "Linear", "Linear")
    blocks = [
        Leaf(path=f"layers.{index}{part}", type_name=type_name, self_s=0.001, self_flops=100, params=4)
        for index in range(count)
        for part, type_name in zip(inside, types, strict=True)
    ]
    return [Leaf(path="", type_name="Net"), Leaf(path="layers", type_name="ModuleList", calls=0), *blocks]


def layer_profiles(leaves: Sequence[Leaf], *, has_time: bool = True) -> tuple[LayerProfile, ...]:
    return tuple(_layer_profile(leaf, leaves, has_time=has_time) for leaf in leaves)


def _layer_profile(leaf: Leaf, leaves: Sequence[Leaf], *, has_time: bool) -> LayerProfile:
    prefix = f"{leaf.path}." if leaf.path else ""
    below = [other for other in leaves if other is leaf or other.path.startswith(prefix)]
    is_called = leaf.calls > 0
    total_s = sum(other.self_s for other in below) if is_called else 0.0
    flops = sum(other.self_flops for other in below) if is_called else 0
    return LayerProfile(
        path=leaf.path,
        type_name=leaf.type_name,
        kind="other",
        depth=leaf.path.count(".") + 1 if leaf.path else 0,
        stage=leaf.path.split(".")[0] or "other",
        calls=leaf.calls,
        total_s=steady(total_s) if has_time else None,
        self_s=steady(leaf.self_s) if has_time else None,
        flops=flops,
        self_flops=leaf.self_flops,
        param_count=sum(other.params for other in below),
        peak_bytes=4096 if is_called else 0,
    )


def stage_profiles(layers: Iterable[LayerProfile]) -> tuple[StageProfile, ...]:
    stages: dict[str, list[LayerProfile]] = {}
    for layer in layers:
        stages.setdefault(layer.stage, []).append(layer)
    return tuple(_stage_profile(name, members) for name, members in stages.items())


def _stage_profile(name: str, members: Sequence[LayerProfile]) -> StageProfile:
    times = [layer.self_s.median for layer in members if layer.self_s is not None]
    self_s = steady(sum(times)) if times else None
    flops = sum(layer.self_flops or 0 for layer in members)
    paths = tuple(layer.path for layer in members)
    return StageProfile(name=name, paths=paths, total_s=self_s, self_s=self_s, flops=flops, self_flops=flops)


def spec(*, model: str = "net") -> ProfileSpec:
    return ProfileSpec(
        model=model,
        model_type="Net",
        passes=("time", "flops", "memory"),
        inputs=(("x", "float32[2, 8]"),),
        parts=(PartInfo(name="qformer", path="qformer", dtype="bfloat16", attention="eager", device="cpu"),),
        labels=FrozenMapping({"task": "captioning"}),
    )


def environment() -> Environment:
    return Environment(
        layerprof="0.1.0",
        python="3.11.7",
        torch="2.13.0",
        transformers=None,
        platform="Linux x86_64",
        cpu="a processor",
        cores=2,
        threads=2,
        memory_bytes=24 * 2**30,
        device="cpu",
    )


def profile_of(leaves: Sequence[Leaf], *, has_time: bool = True, model: str = "net") -> Profile:
    """A profile of steady steps: the leaves, 2 ms and 50 FLOPs under no layer, and no energy."""
    layers = layer_profiles(leaves, has_time=has_time)
    step_s = sum(leaf.self_s for leaf in leaves) + UNATTRIBUTED_S
    return Profile(
        spec=spec(model=model),
        environment=environment(),
        layers=layers,
        stages=stage_profiles(layers),
        latency_s=steady(0.9 * step_s) if has_time else None,
        step_s=steady(step_s) if has_time else None,
        overhead=(Overhead(pass_name="time", ratio=1.02, ci95=(1.01, 1.04)),),
        unattributed_s=steady(UNATTRIBUTED_S) if has_time else None,
        unattributed_flops=UNATTRIBUTED_FLOPS,
        memory=MemorySummary(baseline_bytes=2**20, step_peak_bytes=8192, device="cpu"),
        uncounted=(UncountedOp(op="aten.foo.default", calls=3, layers=("", "head"), time_share=0.01),),
        checks=(Check(name="host_time_books", ok=True, detail="closed to 0 s"),),
        notes=(Note(code="no_counter", quantity="energy", scope="*", text=NO_ENERGY),),
    )


def cell(
    size: int, *, metrics: Mapping[str, float | int | None] | None = None, failure: CellFailure | None = None
) -> CellRecord:
    axes: dict[str, AxisValue] = {"batch_size": size, "device": "cpu"}
    note = Note(code="no_counter", quantity="energy", scope="step", text=NO_ENERGY)
    has_energy = metrics is not None and metrics.get("energy_j_per_sample") is not None
    return CellRecord(
        id=f"cell{size}",
        axes=FrozenMapping(axes),
        status="failed" if failure else "done",
        metrics=FrozenMapping(dict(metrics or {})),
        notes=() if has_energy or failure else (note,),
        failure=failure,
    )


def batch_metrics(size: int, *, energy_j: float | None = None) -> dict[str, float | int | None]:
    latency_s = 0.010 + 0.004 * size
    return {
        "latency_s": latency_s,
        "latency_low_s": 0.98 * latency_s,
        "latency_high_s": 1.05 * latency_s,
        "latency_per_sample_s": latency_s / size,
        "flops": 7_000_000 * size,
        "flops_per_sample": 7_000_000,
        "peak_bytes": 2**20 * size,
        "energy_j_per_sample": energy_j,
    }


def batch_sweep(*, energy_j: Sequence[float | None] = (None, None), model: str = "net") -> SweepRecord:
    """Batch sizes 1 and 4, done, and 8, out of memory."""
    sizes = (1, 4, 8)
    done = [
        cell(size, metrics=batch_metrics(size, energy_j=joules)) for size, joules in zip(sizes, energy_j, strict=False)
    ]
    failed = cell(8, failure=CellFailure(kind="exception", text="out of memory"))
    plan = PlanRecord(
        name="batch", model=model, axes=(("batch_size", sizes),), fixed=FrozenMapping[AxisValue]({"device": "cpu"})
    )
    return SweepRecord(plan=plan, cells=(*done, failed))


def flop_report() -> FlopReport:
    return FlopReport(
        total=3000,
        by_layer=FrozenMapping({"": 3000, "layers.0": 1000, "layers.1": 2000}),
        by_op=FrozenMapping({"aten.mm.default": 1000, "aten.addmm.default": 2000}),
        uncounted=(UncountedOp(op="aten.foo.default", calls=1, layers=("layers.0",), time_share=None),),
        causal_total=2500,
    )
