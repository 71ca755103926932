"""What the energy pass found out: about the counter, about the step, about distinct layers, and whether they add up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from layerprof.records.base import Energy, EnergyDomain, EnergyEstimator, EnergyKind, FrozenMapping, Note

ReadRate = Literal["unchanged", "sensitive", "untested"]
CounterVerdict = Literal["accepted", "restricted", "rejected"]
ClosureVerdict = Literal["ok", "warn", "not_trustworthy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyOptions:
    """How the energy pass is made.

    Attributes:
        layers: which layers are measured by themselves. ``blocks``: repeated blocks whole, and layers that are in
            none; ``leaves``: layers without children; globs over paths; ``none``: the whole step alone, in seconds.
        top_k: of distinct layers only so many, those with the most time in the model; None is all.
        least_share: of the step's time; layers below it are not replayed.
        target_rel: what a window's tick may add or take, as a fraction; windows are made long enough.
        windows: of the whole step and of each distinct layer's middle member.
        member_windows: of its first and its last.
        samples: of one step, where joules of one sample are wanted.
        carbon_g_per_kwh: intensity of the grid, where grams of CO2 equivalent are wanted; nothing is looked up.
        max_s: layers with the least time are left out where the pass would take longer than this.
        seed: of the order of windows and of their random delays.

    Raises:
        ValueError: where a number makes no sense.
    """

    layers: Literal["blocks", "leaves", "none"] | tuple[str, ...] = "blocks"
    top_k: int | None = None
    least_share: float = 0.002
    target_rel: float = 0.01
    windows: int = 5
    member_windows: int = 3
    samples: int | None = None
    carbon_g_per_kwh: float | None = None
    max_s: float = 480.0
    seed: int = 0

    def __post_init__(self) -> None:
        is_globs = isinstance(self.layers, tuple) and all(isinstance(glob, str) for glob in self.layers)
        if not is_globs and self.layers not in ("blocks", "leaves", "none"):
            raise ValueError(f"layers is blocks, leaves, none, or a tuple of globs; found {self.layers!r}")
        least = {"windows": 3, "member_windows": 2, "top_k": 1, "samples": 1}
        for name, bound in least.items():
            count = getattr(self, name)
            if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < bound):
                raise ValueError(f"{name} is a whole number from {bound} up; found {count!r}")
        for name in ("target_rel", "max_s", "carbon_g_per_kwh"):
            number = getattr(self, name)
            is_number = isinstance(number, int | float) and not isinstance(number, bool)
            if number is not None and not (is_number and 0.0 < number < float("inf")):
                raise ValueError(f"{name} is a number above 0; found {number!r}")
        if not isinstance(self.least_share, int | float) or not 0.0 <= self.least_share < 1.0:
            raise ValueError(f"least_share is from 0 to below 1; found {self.least_share!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyCounter:
    """A counter and what was found out about it before it was believed.

    Attributes:
        source: its name, such as ``nvml_energy``, ``nvml_power``, ``rapl_perf``, ``rapl_powercap`` or ``estimate``.
        domain: what it counts the joules of.
        device: whose, in words, with the id it was matched by.
        kind: ``measured``, or ``estimated`` where it is an assumption.
        verdict: restricted ones are read at the edges of long windows only; rejected ones give no joules.
        estimator: how a window's joules are taken: from tick to tick, from edge to edge, by polling power, or assumed.
        tick_s: how often it moves, the median; None where it was not found.
        tick_jitter_s: standard deviation of the time between ticks.
        power_tick_s: how often the power beside it moves, or None without one.
        late_s: how old its reading is on average, in the middle between two ticks.
        pre_roll_s: how long a load has to run before a window may begin.
        read_rate: whether reading it often changes what it counts.
        read_rate_ratios: power at a rate of reads over power at the window's edges alone, by the rate (``10 Hz``).
        tested_poll_s: time between two reads at the highest of these rates; windows read no more often. None where it
            was not tried.
        power_ratio: its power over that of the power sensor beside it, or None without one.
        load_w: power of the load it was tried with.
        active_idle_w: power right after a load, the context alive.
        idle_w: power after some seconds of rest, or None where that was not waited for.
        sensor_rel: bound of the error of its gain, as a fraction.
        limit_w: the device's own power limit, or None.
        findings: what was noticed, one note each.
        duration_s: how long finding out took.
    """

    source: str
    domain: EnergyDomain
    device: str
    kind: EnergyKind
    verdict: CounterVerdict
    estimator: EnergyEstimator
    tick_s: float | None = None
    tick_jitter_s: float | None = None
    power_tick_s: float | None = None
    late_s: float | None = None
    pre_roll_s: float = 0.0
    read_rate: ReadRate = "untested"
    read_rate_ratios: FrozenMapping[float] = field(default_factory=FrozenMapping)
    tested_poll_s: float | None = None
    power_ratio: float | None = None
    load_w: float | None = None
    active_idle_w: float | None = None
    idle_w: float | None = None
    sensor_rel: float = 0.0
    limit_w: float | None = None
    findings: tuple[Note, ...] = ()
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyUnit:
    """Layers that do the same work: one was measured for all, or a few.

    Attributes:
        name: path of the first member.
        type_name: class of its members.
        phase: in which they did it.
        paths: members, in definition order.
        sampled: members that were replayed.
        kind: replayed, regressed or time_share.
        calls: of all members in one step.
        power_w: mean power of its members over their time in the model, or None where it was not measured.
        ci95_w: its 95 % interval, of power alone.
        insitu_s: time of all members in one step, in the model.
        fidelity: time of a call replayed over its time in the model; far from 1 the replay is of something else.
        windows: of all sampled members together.
        window_s: length of one.
        copies: sets of weights and inputs that were taken in turn, so that a cache does not hold them; 1 is none.
        footprint_bytes: weights and inputs of one call.
        flags: stable words for what weakens it.
        energy: joules of all members in one step, with errors that members share added up, or None where power is.
    """

    name: str
    type_name: str
    phase: str
    paths: tuple[str, ...]
    sampled: tuple[str, ...] = ()
    kind: EnergyKind
    calls: int
    power_w: float | None = None
    ci95_w: tuple[float, float] | None = None
    insitu_s: float
    fidelity: float | None = None
    windows: int = 0
    window_s: float = 0.0
    copies: int = 1
    footprint_bytes: int | None = None
    flags: tuple[str, ...] = ()
    energy: Energy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """Whether the parts add up to the whole, which was measured by itself. It is never forced to.

    Attributes:
        ratio: (units + what is outside of them) over the step's own joules; at least so much where rest and gap are
            not told apart.
        ci95: its 95 % interval.
        verdict: ok within a tenth of 1, warn within a fifth, else the layers' joules are not to be trusted.
        covered: share of the step's time that was in replayed units.
        units_j: of replayed and regressed units, per step.
        outside_j: of the time outside of units, rest and gap together; all at idle power where nobody can tell them
            apart.
        rest_j: of work outside of units, by its share of time; None where it cannot be told from the gap.
        gap_j: of time in which nothing ran, at idle power; None as ``rest_j``.
        step_j: of the step, from windows of the whole model.
        parts_ci95_j: 95 % interval of units and outside together, or None.
    """

    ratio: float
    ci95: tuple[float, float]
    verdict: ClosureVerdict
    covered: float
    units_j: float
    outside_j: float
    rest_j: float | None
    gap_j: float | None
    step_j: float
    parts_ci95_j: tuple[float, float] | None = None

    @property
    def is_lower_bound(self) -> bool:
        """Whether work outside of units may have been counted at idle power, so that the ratio is at least this."""
        return self.rest_j is None or self.gap_j is None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyConditions:
    """What the device was like while its joules were counted.

    Attributes:
        temperature_c: lowest and highest, or None where it cannot be read.
        clock_hz: lowest and highest of its cores, or None.
        throttled: windows in which it held its clocks down.
        throttle_reasons: in its own words.
        foreign_processes: most processes of others on the device at once; None where that cannot be seen.
        drift: power of the reference windows at the end over those at the start.
        facts: driver, limits and modes, in words.
    """

    temperature_c: tuple[float, float] | None = None
    clock_hz: tuple[float, float] | None = None
    throttled: int = 0
    throttle_reasons: tuple[str, ...] = ()
    foreign_processes: int | None = None
    drift: float | None = None
    facts: FrozenMapping[str] = field(default_factory=FrozenMapping)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergySummary:
    """The energy of one step, and what it rests on.

    Attributes:
        counter: that it was counted by.
        step: joules of one step of the whole model.
        step_power_ci95_w: 95 % interval of the step's mean power, or None where it is not known: it does not follow
            from that of the joules, which move with the time.
        step_s: time of that step, in the same windows.
        units: distinct layers that were measured, the most joules first.
        closure: parts against whole, or None where no layer was measured.
        conditions: of the device meanwhile.
        least_difference_rel: two layers of one class whose joules differ by less than this share cannot be told apart.
        samples: of one step, where the caller said.
        carbon_g_per_kwh: intensity of the caller's grid, where the caller said; nothing is looked up.
        duration_s: how long the pass took.
        survey_ratio: time of a step in the survey, with marks around the measured layers, over that of a step in the
            windows, or None.
    """

    counter: EnergyCounter
    step: Energy
    step_power_ci95_w: tuple[float, float] | None = None
    step_s: float
    units: tuple[EnergyUnit, ...] = ()
    closure: Closure | None = None
    conditions: EnergyConditions = field(default_factory=EnergyConditions)
    least_difference_rel: float | None = None
    samples: int | None = None
    carbon_g_per_kwh: float | None = None
    duration_s: float = 0.0
    survey_ratio: float | None = None

    @property
    def per_sample_j(self) -> float | None:
        """Joules of one sample, or None where their number is not known."""
        return None if not self.samples else self.step.total_j / self.samples

    @property
    def carbon_g(self) -> float | None:
        """Grams of CO2 equivalent of one step at the caller's intensity, or None without one."""
        return None if self.carbon_g_per_kwh is None else self.step.total_j / 3.6e6 * self.carbon_g_per_kwh
