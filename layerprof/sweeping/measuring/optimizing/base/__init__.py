"""What setting an optimisation and looking at it share: the model's parts, and what the compiler did."""

from layerprof.sweeping.measuring.optimizing.base.dynamo import (
    INDUCTOR,
    GraphCounter,
    fresh_cache,
    graph_breaks,
    many_graphs,
    missing_compiler,
    reset_compiler,
)
from layerprof.sweeping.measuring.optimizing.base.parts import (
    ModelPart,
    attending_parts,
    part_owning,
    parts_to_compile,
    supports_flash,
)
from layerprof.sweeping.measuring.optimizing.base.sightings import WHOLE, Compiled, Sighting

__all__ = [
    "INDUCTOR",
    "WHOLE",
    "Compiled",
    "GraphCounter",
    "ModelPart",
    "Sighting",
    "attending_parts",
    "fresh_cache",
    "graph_breaks",
    "many_graphs",
    "missing_compiler",
    "part_owning",
    "parts_to_compile",
    "reset_compiler",
    "supports_flash",
]
