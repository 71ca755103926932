"""What a sweep's numbers say, computed from its cells and their layers.

Breakdown     one a cell: its step by stage, which add up to the step
Finding       one a sentence
Comparison    one of our figures beside a published one
Oddity        what is odd about published figures
AnalysisRecord    all of them, of one sweep
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FindingKind = Literal[
    "convolution",  # what a convolution takes
    "growth",  # how latency, FLOPs or memory grow along an axis
    "knee",  # from where on more work costs as much more time
    "layer_growth",  # a layer or stage that grows otherwise than its work
    "fixed",  # what an axis does not change
    "optimization",  # which part an optimisation helped
    "quality",  # what an axis does to the answers
    "energy",
    "dominant",  # the stage or layer that takes most
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that the numbers say.

    Attributes:
        test: the plan's test that it comes from.
        kind: of what it says.
        scope: a stage, a layer's path, an optimisation or a data set; "" for the whole step.
        text: the sentence, with its numbers and their units.
        strength: how large the effect is, for the order: a ratio's distance from 1, or a share; 0 for a plain fact.
    """

    test: str
    kind: FindingKind
    scope: str
    text: str
    strength: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """Something about published figures that a reader should know before comparing with them.

    Attributes:
        test: whose figures; "" for several.
        text: what is odd, and what explains it.
    """

    test: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One of our figures beside the published one.

    Attributes:
        test: of the plan.
        row: what the figures are of, in words, such as ``batch_size 4``.
        quantity: a metric's name.
        ours: None where it was not measured.
        published: None where it was not published.
        remark: why the two may differ, or why there is no ratio; "" where there is nothing to say.
    """

    test: str
    row: str
    quantity: str
    ours: float | None
    published: float | None
    remark: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours over the published figure; None where one of them is missing or the published one is 0."""
        if self.ours is None or not self.published:
            return None
        return self.ours / self.published


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """A stage's part of a cell's step.

    Attributes:
        stage: its name; ``(unattributed)`` for what is under no layer.
        self_s: mean over the middle half of the steps, so that the stages and the unattributed rest add up to the
            step; None where it was not measured, such as inside compiled code.
        device_s: likewise, of kernels; None without a device.
        flops: of one step; None where they were not counted.
        layers: that it has.
    """

    stage: str
    self_s: float | None
    device_s: float | None
    flops: int | None
    layers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """A cell's step by stage, from the layer profile behind it.

    Attributes:
        cell: the cell's id.
        step_s: of the same steps, with the time pass's instruments on.
        stages: in the profile's order, the unattributed rest last.
    """

    cell: str
    step_s: float | None
    stages: tuple[StageTime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisRecord:
    """What a sweep's numbers say.

    Attributes:
        breakdowns: of the cells that have a layer profile, in the plan's order.
        findings: by test, the most useful first.
        comparisons: with published figures; empty where none were asked for, or there are none of this model.
        oddities: of those figures.
        published: whose figures they are; "" for none.
    """

    breakdowns: tuple[Breakdown, ...] = ()
    findings: tuple[Finding, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    oddities: tuple[Oddity, ...] = ()
    published: str = ""
