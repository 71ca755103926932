"""Who owned the bytes at the step's peak: the memory pass's call graph as a list, the largest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from layerprof.attribute.base import NO_PARENT, CallGraph, MemoryPass, RawTrace
from layerprof.records import MemorySummary, PeakOwner


def memory_summary(raw: RawTrace, followed: MemoryPass) -> MemorySummary:
    """The step's memory with the owners of its peak."""
    owners = sorted(_owners(raw, followed), key=lambda owner: -owner.size_bytes)
    return replace(followed.summary, owners=tuple(owners))


def _owners(raw: RawTrace, followed: MemoryPass) -> Iterator[PeakOwner]:
    graph = followed.graph
    at_peak = graph.values["at_peak_bytes"][:, 0]
    for node in at_peak.nonzero()[0].tolist():
        phase = raw.phases[int(graph.phase[node])].name
        yield PeakOwner(call_path=_call_path(raw, graph, node), phase=phase, size_bytes=int(at_peak[node]))
    for number, size_bytes in enumerate(followed.unattributed_at_peak_bytes.tolist()):
        if size_bytes:
            yield PeakOwner(call_path=(), phase=raw.phases[number].name, size_bytes=size_bytes)


def _call_path(raw: RawTrace, graph: CallGraph, node: int) -> tuple[str, ...]:
    """Paths of the node's callers and its own, outermost first."""
    found: list[str] = []
    while node != NO_PARENT:
        found.append(raw.layers[int(graph.layer[node])].path)
        node = int(graph.parent[node])
    return tuple(reversed(found))
