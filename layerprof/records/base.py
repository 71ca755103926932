"""What every record is made of: distributions, energies, notes, checks, and a mapping that does not change.

Records are inert: frozen, slotted, keyword-only dataclasses of tuples and plain numbers. They hold no live object, do
no I/O and import neither torch nor numpy. What was not measured is None with a `Note`, never 0.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from layerprof import stats

SCHEMA = 6  # of stored records; layerprof/store/base.py holds the history

OTHER_STAGE = "other"  # of layers that no stage's rule matches

Kind = Literal[
    "conv", "linear", "attention", "norm", "embedding", "activation", "mlp", "block", "container", "other"
]  # fmt: skip
EnergyKind = Literal["measured", "replayed", "regressed", "time_share", "estimated"]
EnergyDomain = Literal["gpu_board", "gpu_module", "cpu_package"]
EnergyEstimator = Literal["ticks", "edges", "polled", "assumed"]
Bound = Literal["compute", "memory", "launch", "unknown"]
ActivityKind = Literal["kernel", "memcpy", "memset"]
CeilingsKind = Literal["measured", "vendor"]
Provenance = Literal["measured", "provenance", "graph-annotated", "by-sequence", "unattributed"]

Value = TypeVar("Value", covariant=True)


class FrozenMapping(Mapping[str, Value], Generic[Value]):
    """A mapping from names to values that cannot be changed, keeps its order, and can be hashed and pickled."""

    __slots__ = ("_values",)
    _values: dict[str, Value]

    def __init__(self, items: Mapping[str, Value] | tuple[tuple[str, Value], ...] = ()) -> None:
        object.__setattr__(self, "_values", dict(items))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a record's mapping cannot be changed; make a new record with dataclasses.replace")

    def __getitem__(self, key: str) -> Value:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return f"FrozenMapping({self._values!r})"

    def __reduce__(self) -> tuple[type[FrozenMapping[Value]], tuple[tuple[tuple[str, Value], ...]]]:
        return FrozenMapping, (tuple(self._values.items()),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Repeated measurements of one quantity; the samples are kept and everything else follows from them.

    Attributes:
        samples: one number a step, in the unit that the holding field's name carries.

    Raises:
        ValueError: when there is no sample, or one of them is not a finite number.
    """

    samples: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.samples:
            raise ValueError("a Distribution needs at least one sample; what was not measured is None")
        total = sum(self.samples)  # finite only where all samples are; but it may overflow where they are
        if total - total != 0.0 and not all(sample - sample == 0.0 for sample in self.samples):  # inf - inf is nan
            raise ValueError("a Distribution holds finite numbers only")

    @property
    def n(self) -> int:
        """How many samples there are."""
        return len(self.samples)

    @property
    def median(self) -> float:
        """The middle sample (the mean of the middle two where their number is even)."""
        return statistics.median(self.samples)

    @property
    def mean(self) -> float:
        """The arithmetic mean."""
        return statistics.fmean(self.samples)

    @property
    def iqr(self) -> float:
        """The distance between the quartiles."""
        return stats.interquartile_range(self.samples)

    @property
    def ci95(self) -> tuple[float, float] | None:
        """The median's 95 % interval (low, high) by order statistics; None below 6 samples."""
        return stats.median_interval(self.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Joules with how they were got.

    Three errors are kept apart: ``ci95_j`` is how well the measurement repeats, ``quantisation_j`` what one window's
    tick may add or take at most, and ``sensor_rel`` how far the sensor's gain may be off, which is the same for every
    layer and cancels in shares and ratios.

    Attributes:
        total_j: per step.
        kind: how the number came about; only ``measured`` is a counter's own difference over this very window. A sum
            has the weakest kind that makes up at least a twentieth of it.
        source: the counter's name, such as ``nvml_energy`` or ``rapl_perf``.
        ci95_j: its 95 % interval, or None.
        window_s: length of the window it was taken over.
        resolution_s: how often the counter moves.
        power_w: mean power over the time that the joules were spent in.
        idle_j: what of it the device would have drawn in the same time without work.
        quantisation_j: bound of what the tick at the edges of one window may add or take; None where it is of none.
        sensor_rel: bound of the error of the sensor's gain, as a fraction.
        windows: how many it was taken from.
        flags: stable words for what weakens it, such as ``throttled``.
    """

    total_j: float
    kind: EnergyKind
    source: str
    ci95_j: tuple[float, float] | None
    window_s: float
    resolution_s: float
    power_w: float | None = None
    idle_j: float | None = None
    quantisation_j: float | None = None
    sensor_rel: float | None = None
    windows: int | None = None
    flags: tuple[str, ...] = ()

    @property
    def half_width_j(self) -> float | None:
        """Half the width of the 95 % interval."""
        return None if self.ci95_j is None else (self.ci95_j[1] - self.ci95_j[0]) / 2.0

    @property
    def net_j(self) -> float | None:
        """The joules beyond those of the idle device."""
        return None if self.idle_j is None else self.total_j - self.idle_j


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something the reader has to know: why a quantity is missing, or what weakens one that is there.

    Attributes:
        code: a stable word to search for and test on, such as ``pass_not_asked``.
        quantity: the field it is about (``energy``, ``total_s``), or "" for the whole record.
        scope: a layer's path, a stage, ``step``, or "*" for all layers.
        text: one sentence for people, with the remedy where there is one.
    """

    code: str
    quantity: str
    scope: str
    text: str

    def __str__(self) -> str:
        subject = " of ".join(part for part in (self.quantity, "" if self.scope == "*" else self.scope) if part)
        return f"[{self.code}] {subject}: {self.text}" if subject else f"[{self.code}] {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One invariant of the record and whether it held.

    Attributes:
        name: of the invariant, such as ``host_time_books``.
        ok: True where it holds.
        detail: the numbers behind the verdict.
    """

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """What one pass's instruments cost: its steps against bare ones taken in turn with them.

    Attributes:
        pass_name: the instrumented pass.
        ratio: median of step time over the neighbouring bare step's; 1.0 means free.
        ci95: its 95 % interval, or None below 6 pairs.
    """

    pass_name: str
    ratio: float
    ci95: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UncountedOp:
    """An operation that has no FLOP formula and is not in the table of those that count as 0.

    Attributes:
        op: the operator's qualified name, such as ``aten.foo.default``.
        calls: per step.
        layers: paths of the layers it ran in, in definition order; "" is the root.
        time_share: its share of the step's time, or None without an ops pass.
    """

    op: str
    calls: int
    layers: tuple[str, ...]
    time_share: float | None
