"""From spans and pieces to the call graph: one node for each call path and phase, with its calls and self time.

All integer arithmetic: the self times of a step and its unattributed time add up to it exactly.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from layerprof.attribute.base import (
    NOBODY,
    CallGraph,
    CallPathTable,
    IntArray,
    Pieces,
    Spans,
    call_paths,
    phased,
    summed,
    with_values,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """The time pass, attributed.

    Attributes:
        graph: with the values ``calls`` and ``self_ns``, each (nodes, steps).
        phase_ns, unattributed_ns: of the step's thread: all of it, and what is under no layer.  (phases, steps)
        step_ns: of the whole step, measured without regard to layers.  (steps,)
        repairs: enter or leave events without a partner.
    """

    graph: CallGraph
    phase_ns: IntArray
    unattributed_ns: IntArray
    step_ns: IntArray
    repairs: int


def timed_graph(spans: Spans, pieces: Pieces, *, phases: int) -> Timed:
    """The calls and the time of all steps by call path and phase.

    Args:
        spans: callers before the called.
        pieces: the time of all steps.
        phases: how many there are.
    """
    steps = pieces.step_ns.size
    table, path_of = call_paths(spans.parent, spans.layer, spans.is_concurrent)
    is_owned = pieces.span != NOBODY
    at_entry = path_of * phases + spans.phase
    of_piece = path_of[pieces.span[is_owned]] * phases + pieces.phase[is_owned]
    cells = np.unique(np.concatenate((np.unique(at_entry), np.unique(of_piece))))
    graph, node_of = phased(table, cells, phases=phases)
    entry_node, piece_node = node_of[np.searchsorted(cells, at_entry)], node_of[np.searchsorted(cells, of_piece)]
    shape = (graph.layer.size, steps)
    values = {
        "calls": summed(entry_node * steps + spans.step, np.ones_like(entry_node), shape),
        "self_ns": summed(piece_node * steps + pieces.step[is_owned], pieces.duration_ns[is_owned], shape),
    }
    left = ~is_owned
    is_own = left.copy()
    is_own[is_owned] = ~spans.is_concurrent[pieces.span[is_owned]]
    cell_of = pieces.phase * steps + pieces.step
    return Timed(
        graph=with_values(graph, values),
        phase_ns=summed(cell_of[is_own], pieces.duration_ns[is_own], (phases, steps)),
        unattributed_ns=summed(cell_of[left], pieces.duration_ns[left], (phases, steps)),
        step_ns=pieces.step_ns,
        repairs=spans.repairs,
    )


def nodes_of_places(table: CallPathTable, places: IntArray, *, phases: int) -> IntArray:
    """The node of each place in the graph that `graph_of_places` makes of the same ones."""
    return phased(table, places, phases=phases)[1]


def graph_of_places(
    table: CallPathTable,
    places: IntArray,
    values: Mapping[str, IntArray],
    *,
    phases: int,
    of_the_highest: Collection[str] = (),
) -> CallGraph:
    """The call graph of one step whose quantities were added up by place while it ran.

    Args:
        table: the call paths.
        places: path times ``phases`` plus phase; several that are the same are one node.  (places,)
        values: name -> (places,)
        phases: how many there are.
        of_the_highest: values of which the highest of several places counts, and not the sum.
    """
    graph, node_of = phased(table, places, phases=phases)
    columns: dict[str, IntArray] = {}
    for name, column in values.items():
        columns[name] = np.zeros((graph.layer.size, 1), dtype=np.int64)
        together = np.maximum if name in of_the_highest else np.add
        together.at(columns[name][:, 0], node_of, column)
    return with_values(graph, columns)
