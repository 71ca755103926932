"""What the files of the BLIP-2 adapter share: the presets' shapes and the ids of the offline tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layerprof.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn
    from transformers import Blip2Config

IMAGE_TOKEN = "<image>"
PAD_TOKEN = "<pad>"

# GPT-2's BPE has 50,257 words, the last of which begins and ends a text; ``<pad>`` and ``<image>`` follow it.
END_TOKEN_ID = 50_256
PAD_TOKEN_ID = 50_257
IMAGE_TOKEN_ID = 50_258

VOCABULARY_SIZE = 50_304  # of the published checkpoint, whose own is padded to a multiple of 64
QUERY_TOKENS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class TowerShape:
    """The shape of one transformer.

    Attributes:
        width: of its hidden states.
        layers: how many blocks it has.
        heads: of its attention.
        mlp_width: of the hidden layer of its feed-forward networks.
    """

    width: int
    layers: int
    heads: int
    mlp_width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A BLIP-2 model that can be built by name.

    Attributes:
        name: what a user calls it.
        hub_id: where its trained weights are published, or None.
        dtype: it is built in unless another is asked for.
        vision, qformer, language: shapes of its three transformers.

    Source:
        ``blip2-opt-2.7b``: ``config.json`` of Salesforce/blip2-opt-2.7b and of facebook/opt-2.7b.
    """

    name: str
    hub_id: str | None
    dtype: str
    vision: TowerShape
    qformer: TowerShape
    language: TowerShape


_PRESETS = (
    Preset(
        name="blip2-tiny",
        hub_id=None,
        dtype="float32",
        vision=TowerShape(width=128, layers=6, heads=4, mlp_width=512),
        qformer=TowerShape(width=96, layers=4, heads=4, mlp_width=384),
        language=TowerShape(width=128, layers=6, heads=4, mlp_width=512),
    ),
    Preset(
        name="blip2-opt-2.7b",
        hub_id="Salesforce/blip2-opt-2.7b",
        dtype="bfloat16",
        vision=TowerShape(width=1408, layers=39, heads=16, mlp_width=6144),
        qformer=TowerShape(width=768, layers=12, heads=12, mlp_width=3072),
        language=TowerShape(width=2560, layers=32, heads=32, mlp_width=10240),
    ),
)
PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in _PRESETS}


def config_of(model: nn.Module) -> Blip2Config:
    """The model's configuration, which torch's types take for a tensor or a module."""
    config: Blip2Config = model.config
    return config


def preset_named(name: str) -> Preset:
    """The preset of that name.

    Raises:
        InputError: when there is none.
    """
    if name not in PRESETS:
        raise InputError(f"no BLIP-2 preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
