"""What is known of a layer, as the arguments of its slices; what is not known is not there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from layerprof.texts import inert

if TYPE_CHECKING:
    from layerprof.records import LayerProfile, Profile
    from layerprof.traces.writing.base.base import Event

_MJ_PER_J = 1e3


def facts_of(profile: Profile) -> list[Event]:
    """Of each layer: who it is, and its means over the calls of a step, where each was measured."""
    return [{**_identity(layer), **_means(layer)} for layer in profile.layers]


def identities_of(profile: Profile) -> list[Event]:
    """Of each layer: who it is."""
    return [_identity(layer) for layer in profile.layers]


def _identity(layer: LayerProfile) -> Event:
    facts = {"path": layer.path, "type": layer.type_name, "kind": layer.kind, "stage": layer.stage}
    return {name: inert(text) for name, text in facts.items()}


def _means(layer: LayerProfile) -> Event:
    facts: Event = {}
    if not layer.calls:
        return facts
    if layer.flops is not None:
        facts["flops (mean of a call)"] = layer.flops / layer.calls
    if layer.bytes_moved is not None:
        facts["bytes_moved (mean of a call)"] = layer.bytes_moved / layer.calls
    if layer.energy is not None and math.isfinite(layer.energy.total_j):  # a damaged record's may be no number
        name = f"energy_mJ (mean of a call, {layer.energy.kind} by {inert(layer.energy.source)})"
        facts[name] = layer.energy.total_j * _MJ_PER_J / layer.calls
    return facts
