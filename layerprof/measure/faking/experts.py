"""Mixture of experts without data: the batched path, in which every token is multiplied with its own experts.

Which rows an expert gets depends on data, so the grouped path and the loop over experts cannot be faked. The batched
path of transformers gathers the weights of the chosen experts for each token: the same products, tokens × experts per
token of them, under another op's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

_FIELD = "_experts_implementation_internal"  # transformers' own; what every layer of experts looks up when called
_BATCHED = "batched_mm"
_MARK = "_apply_gate"  # a method that transformers gives every class of experts that has a choice


@contextmanager
def batched_experts(model: nn.Module) -> Iterator[bool]:
    """The block in which layers of experts that can take the batched path take it; each config is restored.

    Gives whether there are layers of experts that would have taken another path.
    """
    configs = {id(config): config for config in map(_config_of, model.modules()) if config is not None}
    before = {key: vars(config)[_FIELD] for key, config in configs.items()}
    has_others = any(
        hasattr(type(module), _MARK) and before.get(id(_config_of(module)), _BATCHED) != _BATCHED
        for module in model.modules()
    )
    try:
        for config in configs.values():
            setattr(config, _FIELD, _BATCHED)
        yield has_others
    finally:
        for key, config in configs.items():
            setattr(config, _FIELD, before[key])


def _config_of(module: nn.Module) -> object | None:
    """The config that says how a layer's experts are computed, or None."""
    config = vars(module).get("config")
    return config if config is not None and _FIELD in getattr(config, "__dict__", {}) else None
