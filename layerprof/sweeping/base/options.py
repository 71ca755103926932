"""How executors run a cell, the same for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerprof.sweeping.base.jobs import Slot

MEASURE = "layerprof.sweeping.measuring:measure"
PRELOAD = (
    "torch",
    "transformers:Blip2ForConditionalGeneration",
    "layerprof.models",
    "layerprof.tasks",
    "layerprof.sweeping.measuring",
)

START_S = 300.0
"""The limit of the imports before a run: torch and transformers from a cold disk of a network take minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorOptions:
    """What a cell's process does, and how many there are at a time.

    Attributes:
        entry: ``module:function`` that measures a cell: ``measure(cell, tell) -> Outcome``, where ``tell(phase, done,
            total)`` is called between steps.
        preload: modules, or ``module:name``, that are imported once a round rather than in each process.
        slots: those that there are; empty finds them out by the plan's devices, as ``ray`` always does.
        is_exclusive: whether one run at a time is measured on a host, since runs on one host share its cores, its bus
            and its power; on ``ray`` a node measures one at a time in any case.
        memory_limit_bytes: of private memory that a process on the CPU cannot exceed; None is what the machine has
            available when it starts, 0 is without limit.
        grace_s: that a process which is stopped has to end by itself.
        address: of the cluster, for executors that have one; None finds it.
    """

    entry: str = MEASURE
    preload: tuple[str, ...] = PRELOAD
    slots: tuple[Slot, ...] = ()
    is_exclusive: bool = True
    memory_limit_bytes: int | None = None
    grace_s: float = 5.0
    address: str | None = None
