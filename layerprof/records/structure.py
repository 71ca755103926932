"""The static structure of a model: what a row is, before anything is measured of it."""

from __future__ import annotations

import re
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRules:
    """Which calls begin which phase of a generation.

    Attributes:
        opened_by: (phase, globs over paths) in order: a call of these layers begins the phase.
        language: path of the module that is called once for the prompt and then for every token, which makes the
            phases prefill and decode; None where there is none.
        early: globs of layers whose call before the language model's first one belongs to the prefill already.
    """

    opened_by: tuple[tuple[str, tuple[str, ...]], ...] = ()
    language: str | None = None
    early: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All phases that there may be, in order; the last two are prefill and decode."""
        return (*(name for name, _ in self.opened_by), "prefill", "decode")


def family_of(path: str) -> str:
    """The path with every index replaced by a star: layers of one family differ in nothing else."""
    return re.sub(r"(?<![^.])\d+(?![^.])", "*", path)
