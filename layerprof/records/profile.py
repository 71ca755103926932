"""The profile of one model: what was asked, where it ran, what came out, and whether the books close."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from layerprof.records.base import SCHEMA, Check, Distribution, Energy, FrozenMapping, Note, Overhead, UncountedOp

if TYPE_CHECKING:
    import pandas

    from layerprof.records.ceilings import Ceilings
    from layerprof.records.energy import EnergySummary
    from layerprof.records.layers import CallNode, LayerProfile, PhaseProfile, StageProfile
    from layerprof.records.memory import MemorySummary
    from layerprof.records.timeline import Timeline

_SUGGESTIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PartInfo:
    """A part of the model as it is in force, not as it was asked for.

    Attributes:
        name: of the part, such as ``qformer``.
        path: of its module.
        dtype: of its parameters (``torch.`` left out); several are joined by "+".
        attention: the attention implementation its config says is in force, or None.
        device: of its parameters.
    """

    name: str
    path: str
    dtype: str
    attention: str | None
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSpec:
    """What was asked and of what: the key by which profiles are grouped.

    Attributes:
        model: the model's label; for presets with where the weights came from.
        model_type: the class's name.
        passes: that were asked for.
        method: the method that a step calls, or None for the model itself.
        train: whether it ran in train mode with gradients.
        warmup, repeats: as asked; None is "until steady".
        inputs: (name, description) pairs, such as ``("pixel_values", "float32[2, 3, 224, 224]")``.
        is_compiled: whether what was handed over is compiled.
        parts: dtype and attention of each part, as in force.
        labels: free words of the caller's, such as the task and the batch size.
    """

    model: str
    model_type: str
    passes: tuple[str, ...]
    method: str | None = None
    train: bool = False
    warmup: int | None = None
    repeats: int | None = None
    inputs: tuple[tuple[str, str], ...] = ()
    is_compiled: bool = False
    parts: tuple[PartInfo, ...] = ()
    labels: FrozenMapping[str] = field(default_factory=FrozenMapping)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where it ran: what may be compared with what.

    Attributes:
        layerprof, python, torch, transformers: versions; None where the package is absent.
        platform: operating system and machine.
        cpu: the processor's name.
        cores: logical cores that this process may use; None where it is not known.
        threads: torch's intra-op threads.
        memory_bytes: of the machine, or of the control group where that is less.
        device: of the model: ``cpu`` or the accelerator's name.
        flags: settings that change speed or results, such as ``cudnn.benchmark``.
    """

    layerprof: str
    python: str
    torch: str | None
    transformers: str | None
    platform: str
    cpu: str
    cores: int | None
    threads: int | None
    memory_bytes: int | None
    device: str
    flags: FrozenMapping[str] = field(default_factory=FrozenMapping)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Which layer spends the time, the FLOPs and the memory, with proof that the parts add up to the whole.

    On the step's thread, the sum of ``self`` over `layers` plus the unattributed part is the step, for time and for
    FLOPs; `checks` says whether that held in this record. ``profile["path or alias"]`` gives a layer.

    Attributes:
        schema: version of the stored form.
        spec, environment: what was asked, and where it ran.
        layers: root first, in definition order.
        stages: groups of layers; each layer in exactly one.
        phases: parts of the step in time.
        call_tree: who called whom.
        latency_s: of the bare pass, without any instrument; None where there was none.
        step_s: whole steps of the time pass.
        warmup_s: the steps before measuring, in order.
        overhead: of each instrumented pass against bare steps taken in turn with it.
        unattributed_s, unattributed_flops, unattributed_bytes_moved: work of the step under no layer.
        unattributed_device_s: device time under no layer, or None without an ops pass on a device.
        device_total_s: the sum of the durations of all device activities of the step, or None likewise.
        device_busy_s: the part of the step in which the device ran anything: overlap counts once.
        device_span_s: from the start of the step's first device activity to the end of its last.
        memory: of one step, or None without a memory pass.
        energy: of one step, and what it rests on, or None where no joules were counted.
        unattributed_energy: of the step's time under no layer, or None likewise.
        uncounted: ops that are in no FLOP table.
        ceilings: that efficiencies are measured against, or None where there are none.
        peaks: what the vendor states for the device, or None for one that is in no table.
        checks: invariants only; noise and weak spots are notes.
        notes: why something is missing or weak.
        timeline: for traces; not compared by ``==``.
    """

    schema: int = SCHEMA
    spec: ProfileSpec
    environment: Environment
    layers: tuple[LayerProfile, ...]
    stages: tuple[StageProfile, ...] = ()
    phases: tuple[PhaseProfile, ...] = ()
    call_tree: CallNode | None = None
    latency_s: Distribution | None = None
    step_s: Distribution | None = None
    warmup_s: Distribution | None = None
    overhead: tuple[Overhead, ...] = ()
    unattributed_s: Distribution | None = None
    unattributed_flops: int | None = None
    unattributed_bytes_moved: int | None = None
    unattributed_device_s: Distribution | None = None
    device_total_s: Distribution | None = None
    device_busy_s: Distribution | None = None
    device_span_s: Distribution | None = None
    memory: MemorySummary | None = None
    energy: EnergySummary | None = None
    unattributed_energy: Energy | None = None
    uncounted: tuple[UncountedOp, ...] = ()
    ceilings: Ceilings | None = None
    peaks: Ceilings | None = None
    checks: tuple[Check, ...] = ()
    notes: tuple[Note, ...] = ()
    timeline: Timeline | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.layers or self.layers[0].path != "":
            raise ValueError('a profile\'s first layer is the root, whose path is ""')

    @property
    def root(self) -> LayerProfile:
        """The model's own row."""
        return self.layers[0]

    @property
    def step_flops(self) -> int | None:
        """FLOPs of the whole step: the layers' own and the unattributed ones."""
        if self.unattributed_flops is None:
            return None
        return self.unattributed_flops + sum(layer.self_flops or 0 for layer in self.layers)

    def __getitem__(self, path: str) -> LayerProfile:
        for layer in self.layers:
            if path == layer.path or path in layer.aliases:
                return layer
        if not isinstance(path, str):
            raise KeyError(f"a layer is found by its path, a string; found {path!r}")
        names = [name for layer in self.layers for name in (layer.path, *layer.aliases)]
        nearest = difflib.get_close_matches(path, names, n=_SUGGESTIONS, cutoff=0.0)
        raise KeyError(f"no layer {path!r}; the nearest are {', '.join(map(repr, nearest))}")

    def __contains__(self, path: object) -> bool:
        return any(path == layer.path or path in layer.aliases for layer in self.layers)

    def __str__(self) -> str:
        from layerprof.report import render

        return render(self, "text")

    def _repr_html_(self) -> str:
        from layerprof.report import render

        return render(self, "html")

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a layer, indexed by path; distributions become ``<name>_median`` columns."""
        from layerprof.report.frame import to_dataframe

        return to_dataframe(self)
