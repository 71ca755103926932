"""The static structure of a model: what a row is, before anything is measured of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from layerprof.records.base import Kind

# A label for reading only: no number ever depends on a class's name.
_KIND_BY_NAME: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("norm", re.compile(r"Norm(1d|2d|3d)?$")),
    ("attention", re.compile(r"Attention$|Attn$")),
    ("mlp", re.compile(r"(MLP|Mlp|FeedForward|FFN)$|DenseActDense$|DenseGatedActDense$")),
    ("embedding", re.compile(r"Embeddings?$|Embedder$|^EmbeddingBag$")),
    ("activation", re.compile(r"Activation$|^(Leaky)?ReLU6?$|^[CGS]?ELU$|^(GELU|SiLU|Mish|Softplus|Softmax)$")),
    ("activation", re.compile(r"^(Tanh|(Log)?Sigmoid|Hard(tanh|swish|sigmoid)|PReLU|GLU)$")),
    ("container", re.compile(r"^(Sequential|ModuleList|ModuleDict)$")),
    ("linear", re.compile(r"^(Conv1D|Bilinear)$|Linear$")),  # transformers' Conv1D is a transposed linear layer
    ("conv", re.compile(r"Conv(Transpose)?[123]d$|ConvLayer$")),
    ("block", re.compile(r"(Block|Layer)$")),
)


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

    Parameters are None where the model itself was never seen, as in a trace.
    """

    path: str
    aliases: tuple[str, ...]
    type_name: str
    kind: Kind
    depth: int
    stage: str
    param_count: int | None
    param_bytes: int | None
    own_param_count: int | None
    own_param_bytes: int | None


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


def kind_of_class(name: str) -> Kind:
    """What sort of layer a class is by its name alone; a subclass of torch's own is told better by its base."""
    return next((kind for kind, pattern in _KIND_BY_NAME if pattern.search(name)), "other")


def family_of(path: str) -> str:
    """The path with every index replaced by a star: layers of one family differ in nothing else."""
    return re.sub(r"(?<![^.])\d+(?![^.])", "*", path)
