"""What was in force while a cell was measured: prepared before the measured steps, and looked at after them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from layerprof.progress import Show
from layerprof.records import Note, TruthRecord
from layerprof.sweeping.base.failures import failure_of
from layerprof.sweeping.base.workload import Workload
from layerprof.sweeping.measuring.base import Course, longest_of, one_of_each, shapes_of

if TYPE_CHECKING:
    from layerprof.sweeping.measuring.optimizing import Optimized


def prepare(way: Optimized, workload: Workload, tell: Show) -> None:
    """The first call of each shape, in which what is compiled gets compiled; from then on nothing should be."""
    chosen = one_of_each(workload.batches)
    for done, batch in enumerate(chosen):
        tell("prepare", done, len(chosen))
        way.prepare(workload.placed(batch), workload.step.run)
    way.mark()


def look(way: Optimized, workload: Workload, course: Course, tell: Show) -> None:
    """What was in force, from one more step on the longest batch; where that fails, a note says so.

    A model that brings its own inputs, and of which nothing was asked, is not looked at: there is nothing to be missed.
    """
    if workload.questions is None and way.optimization is None:
        return
    tell("look", 0, None)
    try:
        course.truth = _seen(way, workload, tell)
    except KeyboardInterrupt:
        raise
    except Exception as error:  # the measurement is whole, whatever goes wrong in looking
        text = f"what was in force could not be looked at: {failure_of(error).text}"
        if way.optimization is not None:
            course.truth = TruthRecord(optimization=way.optimization, is_in_force=False, reasons=(text,))
        course.notes.append(Note(code="truth_unchecked", quantity="optimization", scope="step", text=text))
        return
    course.metrics.update(_metrics(course.truth))


def _seen(way: Optimized, workload: Workload, tell: Show) -> TruthRecord:
    """What was in force on the longest batch, and whether what was compiled runs on the other shapes too."""
    longest = longest_of(workload.batches)
    truth = way.truth(workload.placed(longest))
    others = [batch for batch in one_of_each(workload.batches) if shapes_of(batch) != shapes_of(longest)]
    for done, batch in enumerate(others):
        tell("look", done + 1, len(others) + 1)
        missed = way.missed(workload.placed(batch))
        if missed is not None:
            return replace(truth, is_in_force=False, reasons=(missed, *truth.reasons))
    return truth


def _metrics(truth: TruthRecord) -> dict[str, float | int | None]:
    """What of it is a number; nothing of a model that has no such thing."""
    found: dict[str, float | int | None] = {
        "graphs": sum(truth.graphs.values()) if truth.recompiles is not None else None,
        "recompiles": truth.recompiles,
        "graph_breaks": truth.graph_breaks,
        "generate_graphs": truth.generate_graphs,
        "compile_s": truth.compile_s,
        "image_tokens": truth.image_tokens,
        "vision_tokens": truth.vision_tokens,
    }
    return {name: value for name, value in found.items() if value is not None}
