"""What stands before the events: the form of the file, and what layerprof knows besides them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict

from layerprof import __version__
from layerprof.attribute import IN_COMPILED
from layerprof.records import Environment, LayerProfile, Note
from layerprof.texts import inert
from layerprof.traces.base import HEADER_KEY, SCHEMA
from layerprof.traces.writing.base import Event, FlopRates, Scene

_SURROGATES = re.compile("[\ud800-\udfff]")  # halves of characters, which UTF-8 does not have


def header_of(scene: Scene, rates: FlopRates) -> Event:
    """The top-level keys, in order; the events are to follow."""
    return {
        "schemaVersion": 1,
        "displayTimeUnit": "ms",
        "baseTimeNanoseconds": scene.clock.base_ns,
        HEADER_KEY: _known(scene, rates),
    }


def _known(scene: Scene, rates: FlopRates) -> Event:
    profile = scene.profile
    return {
        "schema": SCHEMA,
        "version": __version__,
        "model": inert(profile.spec.model),
        "train": profile.spec.train,
        "compiled": profile.spec.is_compiled,
        "layers": [_layer(layer) for layer in profile.layers],
        "unseen": _unseen(scene),
        "phases": [inert(phase.name) for phase in profile.phases],
        "environment": _environment(profile.environment),
        "notes": [*map(_note, profile.notes), *_own_notes(scene, rates)],
    }


def _layer(layer: LayerProfile) -> list[object]:
    """Path, class, kind, stage, aliases, parameters, their bytes; paths as they are, which is how layers are found."""
    words = map(inert, (layer.type_name, layer.kind, layer.stage))
    return [_exact(layer.path), *words, list(map(_exact, layer.aliases)), layer.param_count, layer.param_bytes]


def _exact(path: str) -> str:
    """The path itself wherever a file can hold it."""
    return path if path.isascii() or not _SURROGATES.search(path) else inert(path)


def _unseen(scene: Scene) -> Event:
    """Layers whose calls no hook saw: that they are in no row does not mean that they were not called."""
    profile = scene.profile
    scopes = [(note.scope, note.text) for note in profile.notes if _tells_unseen(note)]
    if not scopes and not profile.spec.is_compiled:
        return {"layers": [], "scopes": []}
    seen = set(scene.tables.ranges["layer"].tolist())
    places = [place for place, layer in enumerate(profile.layers) if layer.total_s is None and place not in seen]
    scopes = scopes or [(profile.layers[place].path, IN_COMPILED) for place in places]
    return {"layers": places, "scopes": [[_exact(scope), inert(text)] for scope, text in scopes]}


def _tells_unseen(note: Note) -> bool:
    return note.code == "calls_unseen" and note.quantity == "total_s"


def _environment(environment: Environment) -> Event:
    facts: Event = {}
    for name, value in asdict(environment).items():
        facts[name] = inert(value) if isinstance(value, str) else value
    facts["flags"] = {inert(name): inert(value) for name, value in environment.flags.items()}
    return facts


def _note(note: Note) -> Event:
    texts = {"code": note.code, "quantity": note.quantity, "scope": note.scope, "text": note.text}
    return {name: inert(text) for name, text in texts.items()}


def _own_notes(scene: Scene, rates: FlopRates) -> Iterator[Event]:
    """What is told less than whole."""
    if scene.host.clipped:
        text = (
            f"{scene.host.clipped} spans on host threads ended after what they lie in; they are drawn as ending with it"
        )
        yield {"code": "clipped_spans", "quantity": "timeline", "scope": "*", "text": text}
    if rates.share is not None and not rates.is_whole:
        text = (
            f"the ops of the timeline to which FLOPs could be given have {rates.percent} % of the FLOPs that "
            "were counted of its steps; the counters FLOP/s hold those alone"
        )
        yield {"code": "flops_without_place", "quantity": "flops", "scope": "*", "text": text}
