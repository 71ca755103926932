"""Passes and rows built by hand, of which every joule is known: for the tests of attribution, views, reports and store.

Net      self 3 ms, blocks of 10 ms each (1 ms by themselves, a 6 ms, b 3 ms), head 2 ms, 1 ms under no layer
units    the blocks at 200 W: 2 J each; the rest is 6 ms
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

import numpy as np
from report_records import environment, spec

from layerprof.attribute import (
    CallGraph,
    EnergyPass,
    FlopsPass,
    HostEvents,
    OpEvents,
    OpsPass,
    Phase,
    RangeEvents,
    RawTrace,
    StepEnergy,
    TimePass,
    UnitPower,
    Unseen,
)
from layerprof.attribute.energy import Energies, with_energy
from layerprof.estimates import ErrorPart, Estimate
from layerprof.records import (
    Distribution,
    Energy,
    EnergyConditions,
    EnergyCounter,
    EnergyUnit,
    FrozenMapping,
    LayerInfo,
    LayerProfile,
    PhaseProfile,
    Profile,
    Quantities,
    StageProfile,
)

IDLE_W, UNIT_W, BLOCK_S, REST_S, STEP_S = 50.0, 200.0, 0.010, 0.006, 0.026
STEPS = 4

PhaseTimes = Mapping[str, float]  # phase -> seconds
Rows = tuple[tuple[LayerProfile, ...], tuple[StageProfile, ...], tuple[PhaseProfile, ...]]
Row = TypeVar("Row", bound=Quantities)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A layer and what it took by itself in each phase that it ran in; hidden where nobody sees its calls."""

    path: str
    own_s: PhaseTimes = field(default_factory=dict)
    stage: str = "other"
    is_hidden: bool = False


def net(*, stage_of_b: str = "blocks") -> list[Node]:
    blocks = [
        node
        for index in range(2)
        for node in (
            Node(path=f"blocks.{index}", own_s={"forward": 0.001}, stage="blocks"),
            Node(path=f"blocks.{index}.a", own_s={"forward": 0.006}, stage="blocks"),
            Node(path=f"blocks.{index}.b", own_s={"forward": 0.003}, stage=stage_of_b),
        )
    ]
    return [
        Node(path="", own_s={"forward": 0.003}),
        Node(path="blocks", stage="blocks"),
        *blocks,
        Node(path="head", own_s={"forward": 0.002}, stage="head"),
    ]


def steady(value: float) -> Distribution:
    return Distribution(samples=(value,) * STEPS)


def exact(value: float) -> Estimate:
    return Estimate(value=value)


def off(value: float, relative: float, origin: str, *, degrees: float = float("inf")) -> Estimate:
    """A value that is off by a share of it for one standard deviation of its origin."""
    part = ErrorPart(origin=origin, part="", error=relative * value, degrees=degrees)
    return Estimate(value=value, errors=(part,))


def unit(layer: int, *, watts: Estimate | None = None, seconds: float = BLOCK_S, **changes: object) -> UnitPower:
    made = UnitPower(
        layer=layer,
        phase=0,
        unit=0,
        kind="replayed",
        power_w=watts or exact(UNIT_W),
        insitu_s=exact(seconds),
        window_s=2.0,
        windows=5,
        quantisation_rel=0.05,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # by field name


def counter(**changes: object) -> EnergyCounter:
    made = EnergyCounter(
        source="nvml_energy",
        domain="cpu_package",
        device="a board",
        kind="measured",
        verdict="accepted",
        estimator="ticks",
        tick_s=0.1,
        tick_jitter_s=0.002,
        power_tick_s=0.1,
        late_s=0.05,
        pre_roll_s=0.5,
        read_rate="unchanged",
        read_rate_ratios=FrozenMapping({"10 Hz": 1.001, "200 Hz": 0.998}),
        power_ratio=1.01,
        load_w=400.0,
        active_idle_w=80.0,
        idle_w=60.0,
        sensor_rel=0.05,
        limit_w=700.0,
        duration_s=20.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # by field name


def energy_pass(*powers: UnitPower, joules: float = 5.2, **changes: object) -> EnergyPass:
    """A pass of a CPU with these powers; the step is 5.2 J in 26 ms: 200 W all along."""
    made = EnergyPass(
        counter=counter(),
        step=StepEnergy(joules=exact(joules), seconds=exact(STEP_S), window_s=3.0, windows=7, quantisation_rel=0.02),
        idle_w=exact(IDLE_W),
        powers=powers,
        units=(
            EnergyUnit(
                name="blocks.0",
                type_name="Block",
                phase="forward",
                paths=("blocks.0", "blocks.1"),
                sampled=("blocks.0",),
                kind="replayed",
                calls=2,
                power_w=UNIT_W,
                ci95_w=(190.0, 210.0),
                insitu_s=2 * BLOCK_S,
                fidelity=1.02,
                windows=5,
                window_s=2.0,
            ),
        )
        if powers
        else (),
        phase_s=(exact(STEP_S),),
        conditions=EnergyConditions(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # by field name


def blocks_pass(**changes: object) -> EnergyPass:
    """Both blocks, at places 2 and 5, without errors."""
    return energy_pass(unit(2), unit(5), **changes)  # type: ignore[arg-type]  # by field name


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Layers, the phases of their step, and what the other passes told of them.

    Attributes:
        nodes: root first, in definition order.
        phases: of the step.
        unattributed_s: time of each phase under no layer.
        has_time: whether times were measured; else calls alone are known.
        is_on_device: whether they are a device's.
    """

    nodes: Sequence[Node] = field(default_factory=net)
    phases: Sequence[str] = ("forward",)
    unattributed_s: PhaseTimes = field(default_factory=lambda: {"forward": 0.001})
    has_time: bool = True
    is_on_device: bool = False

    def raw(self, measured: EnergyPass | None) -> RawTrace:
        """A trace in which nothing is but what attribution of joules asks for."""
        unseen = Unseen(layers=frozenset(place for place, node in enumerate(self.nodes) if node.is_hidden))
        return RawTrace(
            spec=replace(spec(), passes=("time", "energy") if self.has_time else ("flops", "energy")),
            environment=replace(environment(), device="a board" if self.is_on_device else "cpu"),
            layers=tuple(_info(node) for node in self.nodes),
            phases=tuple(Phase(name=name) for name in self.phases),
            has_device=self.is_on_device,
            time=TimePass(steps=(), unseen=unseen) if self.has_time and not self.is_on_device else None,
            ops=_ops_pass(unseen) if self.has_time and self.is_on_device else None,
            flops=None if self.has_time else _counted(),
            energy=measured,
        )

    def rows(self) -> Rows:
        """The rows that the other passes would have brought."""
        stages = dict.fromkeys(node.stage for node in self.nodes)
        return (
            tuple(map(self._layer, self.nodes)),
            tuple(StageProfile(name=name, paths=self._paths_in(name)) for name in stages),
            tuple(map(self._phase, self.phases)),
        )

    def energies(self, measured: EnergyPass, **changes: object) -> Energies:
        """The rows with the joules of a pass, of a trace with some fields changed."""
        return with_energy(replace(self.raw(measured), **changes), self.rows())  # type: ignore[arg-type]  # by field name

    def _paths_in(self, stage: str) -> tuple[str, ...]:
        return tuple(node.path for node in self.nodes if node.stage == stage)

    def _layer(self, node: Node) -> LayerProfile:
        prefix = f"{node.path}." if node.path else ""
        inside = [other for other in self.nodes if other is node or other.path.startswith(prefix)]
        by_phase = {
            name: self._timed(
                Quantities(calls=1),
                node,
                own_s=node.own_s[name],
                total_s=sum(other.own_s.get(name, 0.0) for other in inside),
            )
            for name in self.phases
            if name in node.own_s
        }
        info = _info(node)
        row = LayerProfile(
            path=node.path,
            type_name=info.type_name,
            kind=info.kind,
            depth=info.depth,
            stage=node.stage,
            calls=len(by_phase),
            by_phase=FrozenMapping(by_phase),
        )
        whole_s = sum(sum(other.own_s.values()) for other in inside) if node.own_s else 0.0
        return self._timed(row, node, own_s=sum(node.own_s.values()), total_s=whole_s)

    def _timed(self, row: Row, node: Node, *, own_s: float, total_s: float) -> Row:
        if not self.has_time or node.is_hidden:
            return row
        own, total = ("device_self_s", "device_total_s") if self.is_on_device else ("self_s", "total_s")
        return replace(row, **{own: steady(own_s), total: steady(total_s)})  # type: ignore[arg-type]  # by field name

    def _phase(self, name: str) -> PhaseProfile:
        row = PhaseProfile(name=name, steps=1)
        left_s = self.unattributed_s.get(name, 0.0)
        total_s = steady(sum(node.own_s.get(name, 0.0) for node in self.nodes) + left_s)
        if not self.has_time:
            return row
        if self.is_on_device:
            return replace(row, device_total_s=total_s)
        return replace(row, total_s=total_s, unattributed_s=steady(left_s))


def _info(node: Node) -> LayerInfo:
    return LayerInfo(
        path=node.path,
        aliases=(),
        type_name="Layer",
        kind="other",
        depth=node.path.count(".") + 1 if node.path else 0,
        stage=node.stage,
        param_count=0,
        param_bytes=0,
        own_param_count=0,
        own_param_bytes=0,
    )


def _ops_pass(unseen: Unseen) -> OpsPass:
    """A pass that recorded nothing: its times stand in the rows."""
    nothing = np.empty(0, dtype=np.int64)
    host = HostEvents(**dict.fromkeys([one.name for one in fields(HostEvents)], nothing))  # type: ignore[arg-type]  # empty
    ranges = RangeEvents(**dict.fromkeys([one.name for one in fields(RangeEvents)], nothing))
    events = OpEvents(
        strings=(),
        shapes=(),
        step_start_ns=nothing,
        step_end_ns=nothing,
        step_thread=nothing,
        host=host,
        ranges=ranges,
        has_device=True,
    )
    return OpsPass(events=events, unseen=unseen)


def _counted() -> FlopsPass:
    nothing = np.empty(0, dtype=np.int64)
    graph = CallGraph(parent=nothing, layer=nothing, is_concurrent=nothing.astype(np.bool_), phase=nothing, values={})
    return FlopsPass(
        graph=graph,
        by_phase={},
        unattributed={},
        dtypes=(),
        step_flops=0,
        step_causal_flops=0,
        step_bytes_moved=0,
        by_op={},
        uncounted=(),
    )


def layer(found: Energies, path: str) -> LayerProfile:
    return next(row for row in found.rows[0] if row.path == path)


def total(found: Energies, path: str) -> Energy:
    """The joules of a layer, which are there."""
    energy = layer(found, path).energy
    assert energy is not None
    return energy


def own(found: Energies, path: str) -> Energy:
    """The joules of a layer by itself, which are there."""
    energy = layer(found, path).self_energy
    assert energy is not None
    return energy


def profile_with(found: Energies) -> Profile:
    """A profile of the rows; its notes are those on joules alone."""
    return Profile(
        spec=replace(spec(), passes=("time", "energy")),
        environment=environment(),
        layers=found.rows[0],
        stages=found.rows[1],
        phases=found.rows[2],
        energy=found.summary,
        unattributed_energy=found.unattributed,
        notes=(*found.notes, *found.missing),
    )


def joules(total_j: float, *, watts: float = 400.0, half_width_j: float | None = None) -> Energy:
    """Some joules at a power, off by 3 % unless it is said."""
    width_j = 0.03 * total_j if half_width_j is None else half_width_j
    return Energy(
        total_j=total_j,
        kind="replayed",
        source="nvml_energy",
        ci95_j=(total_j - width_j, total_j + width_j),
        window_s=2.0,
        resolution_s=0.1,
        power_w=watts,
        idle_j=IDLE_W * total_j / watts,
        quantisation_j=0.01 * total_j,
        sensor_rel=0.05,
        windows=5,
        flags=("throttled",),
    )


def with_joules(profile: Profile) -> Profile:
    """Any profile with joules in each of its rows, in proportion to their place, and a summary of them all."""
    found = Model().energies(blocks_pass(samples=4, carbon_g_per_kwh=300.0, counter=counter(domain="gpu_board")))
    summary = found.summary
    assert summary is not None
    units = tuple(
        replace(
            one,
            name=row.path,
            paths=(row.path,),
            phase=phase,
            energy=joules(7.449 / (place + 1)),
            power_w=400.0,
            ci95_w=(395.0, 405.0),
        )
        for place, row in enumerate(profile.layers[-8:])
        for one in summary.units
        for phase in list(row.by_phase)[:1] or ["forward"]
    )
    return replace(
        profile,
        layers=tuple(_joules_in(row, 7.449 / (place + 1)) for place, row in enumerate(profile.layers)),
        stages=tuple(_joules_in(row, 5.2 / (place + 1)) for place, row in enumerate(profile.stages)),
        phases=tuple(_joules_in(row, 123.4 / (place + 1)) for place, row in enumerate(profile.phases)),
        energy=replace(summary, units=units),
        unattributed_energy=joules(0.05),
        notes=tuple(note for note in profile.notes if note.quantity != "energy"),
    )


def _joules_in(row: Row, total_j: float) -> Row:
    return replace(row, energy=joules(total_j), self_energy=joules(total_j / 2))
