"""The static structure of a model: what a row is, before anything is measured of it."""

from __future__ import annotations

from dataclasses import dataclass

from layerprof.records.base import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerInfo:
    """One module instance, described without holding it.

    Attributes:
        path: the first name that ``named_modules()`` gives it; "" is the root.
        aliases: its other names, in the order a walk over all names meets them.
        type_name: its class's name.
        kind: what sort of layer it is.
        depth: dots in the path plus one; the root has 0.
        stage: the one stage it belongs to.
        param_count, param_bytes: distinct parameters of it and all modules in it.
        own_param_count, own_param_bytes: of it alone; a shared parameter counts for the first layer that holds it,
            so that these add up to the root's ``param_count``.
    """

    path: str
    aliases: tuple[str, ...]
    type_name: str
    kind: Kind
    depth: int
    stage: str
    param_count: int
    param_bytes: int
    own_param_count: int
    own_param_bytes: int
