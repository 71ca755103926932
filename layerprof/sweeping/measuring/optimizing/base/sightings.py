"""What was compiled, and what was seen of one step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import nn

from layerprof.records import FrozenMapping, PartInfo, SeenOp

if TYPE_CHECKING:
    from layerprof.sweeping.measuring.optimizing.base.dynamo import GraphCounter

WHOLE = ""  # the name of the one counter where the model was compiled as a whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A model of which something is compiled.

    Attributes:
        model: what is to be called.
        counters: of graphs, by part; that of the whole model is under "".
    """

    model: nn.Module
    counters: Mapping[str, GraphCounter]

    @property
    def is_whole(self) -> bool:
        """Whether it is what ``torch.compile`` returned for the model."""
        return WHOLE in self.counters

    def graphs(self) -> dict[str, int]:
        """Graphs compiled so far, by part."""
        return {part: counter.compiled for part, counter in self.counters.items()}

    def runs(self) -> dict[str, tuple[int, ...]]:
        """How often each graph ran so far, by part."""
        return {part: counter.runs for part, counter in self.counters.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What was seen of one step.

    Attributes:
        parts: as in force.
        called: names of the parts that were called.
        ops: that computed attention.
        ran: distinct compiled graphs that ran, by part.
        compiled: graphs that were compiled in it, though it had been made before.
        generate_graphs: that one ``generate`` ran; None where none was run.
    """

    parts: tuple[PartInfo, ...]
    called: frozenset[str]
    ops: tuple[SeenOp, ...]
    ran: FrozenMapping[int] = field(default_factory=FrozenMapping)
    compiled: int = 0
    generate_graphs: int | None = None
