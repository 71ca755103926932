"""Compiled code in a trace, inside which no call of a module is recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from layerprof.attribute import Unseen
from layerprof.records import Note
from layerprof.traces.reading.base import Calls, Content, Events, Json

_REGION = "Torch-Compiled Region"  # what Dynamo names the ranges of its compiled frames
_UNSEEN_CALLS = "calls_unseen"


def is_compiled(head: Content | None, events: Events) -> bool:
    """Whether the steps ran compiled code: as layerprof wrote, else whether there are regions of it."""
    told = head.get("compiled") if head else None
    return told if isinstance(told, bool) else bool(_regions(events))


def unseen_in(head: Content | None, calls: Calls) -> Unseen:
    """Layers that layerprof wrote to be inside compiled code, and that have no call in the trace."""
    told: Json = head.get("unseen") if head else None
    if not isinstance(told, dict):
        return Unseen()
    called = set(calls.layer.tolist())
    places = [place for place in _list(told.get("layers")) if type(place) is int and place not in called]
    return Unseen(
        layers=frozenset(place for place in places if 0 <= place < len(calls.layers)),
        scopes=tuple((scope, reason) for scope, reason in filter(_is_scope, _list(told.get("scopes")))),
    )


def notes_on_compiled(head: Content | None, events: Events, unseen: Unseen) -> Iterator[Note]:
    """That calls of unseen layers are not counted, or that a trace made elsewhere may have such layers."""
    for scope, reason in unseen.scopes:
        yield Note(code=_UNSEEN_CALLS, quantity="calls", scope=scope, text=f"{reason}; calls are 0")
    regions = _regions(events)
    if head is None and regions:
        text = (
            f"{regions} times the steps ran compiled code, in which no call of a module is recorded: its time is that "
            "of the layer around it, and layers inside are not known; record the model before torch.compile"
        )
        yield Note(code=_UNSEEN_CALLS, quantity="calls", scope="*", text=text)


def _regions(events: Events) -> int:
    """How often a compiled region began."""
    names = [place for place, name in enumerate(events.strings) if name.startswith(_REGION)]
    return int(np.isin(events.ops.name, names).sum())


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else []


def _is_scope(pair: Json) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
