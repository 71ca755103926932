"""The notes on what was found odd: calls without partners or that vary, recomputation, activities without launch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerprof.attribute.base import Findings, backward_phase, by_layer
from layerprof.records import Note


def notes_on_findings(found: Findings) -> Iterator[Note]:
    """What weakens the numbers that are there."""
    yield from _notes_on_calls(found)
    yield from _note_on_recomputation(found)
    yield from _notes_on_activities(found)


def _notes_on_calls(found: Findings) -> Iterator[Note]:
    timed, layers = found.timed, found.raw.layers
    if timed is None:
        return
    if timed.repairs:
        text = f"{timed.repairs} enter or leave events had no partner (a call that raised or never ended); mended"
        yield Note(code="unbalanced_calls", quantity="total_s", scope="step", text=text)
    calls = by_layer(timed.graph, timed.graph.values["calls"], found.extent).sum(axis=0)
    varying = [layers[index].path for index in np.flatnonzero((calls != calls[:, :1]).any(axis=1))]
    if varying:
        text = f"{len(varying)} layers were not called equally often in all steps, first {varying[0]!r}"
        yield Note(code="calls_vary", quantity="calls", scope="*", text=f"{text}; calls are the first step's")


def _note_on_recomputation(found: Findings) -> Iterator[Note]:
    """Layers that the engine called again: activation checkpointing."""
    backward, graph = backward_phase(found.raw), found.raw.flops.graph if found.raw.flops else None
    graph = found.timed.graph if found.timed else graph
    if backward is None or graph is None:
        return
    again = by_layer(graph, graph.values["calls"], found.extent)[backward].any(axis=1)
    paths = [found.raw.layers[index].path for index in np.flatnonzero(again)]
    if paths:
        text = (
            f"{len(paths)} layers were called again in the backward phase (activation checkpointing), first "
            f"{paths[0]!r}; that work is in backward, and calls counts the forward ones alone"
        )
        yield Note(code="recomputed", quantity="calls", scope="*", text=text)


def _notes_on_activities(found: Findings) -> Iterator[Note]:
    if found.recorded is None:
        return
    books = found.recorded.books
    oddities = (
        (
            "orphan_activities",
            books.orphans,
            "device activities have no launch and no op that they are linked to; they are under no layer",
        ),
        ("idle_launches", books.idle_launches, "launches brought no device activity: some may have been lost"),
        ("early_activities", books.early, "device activities seem to begin before their launch: the clocks disagree"),
        ("clipped_ops", books.clipped, "ops reached past what they lie in, and were cut off there"),
    )
    for code, count, text in oddities:
        if count:
            quantity = "ops" if code == "clipped_ops" else "device_total_s"
            yield Note(code=code, quantity=quantity, scope="step", text=f"{count} {text}")
