"""What an architecture is here: a small model with random weights, by the name of its class, and one batch for it.

transformers is imported when a model is built, so that the tables of architectures cost nothing to read.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

SEED = 7
WORDS = 64
BATCH = 2

Attention = str | None  # None: whatever the class takes unless it is told
Mode = Literal["eval", "train"]
Kind = Literal["text", "vision", "audio", "multimodal", "experts", "states"]
Inputs = Mapping[str, Tensor]
Settings = Mapping[str, Any]  # of a transformers configuration, nested as its parts are

EVERY_ATTENTION: tuple[Attention, ...] = ("sdpa", "eager")  # the class takes the first unless it is told
NO_CHOICE: tuple[Attention, ...] = (None,)  # the class has one attention of its own, or none at all
BY_ITSELF: tuple[Attention, ...] = (None, "eager")  # takes sdpa by itself, and refuses to be told so


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A model class with a small configuration.

    Attributes:
        name: of the family.
        build: makes the model with the attention asked for.
        inputs: makes its batch.
        attentions: the implementations that the class has.
        kind: what it is an example of.
        modes: in which its class works.
        asks_for_data: modes in which its Python branches on what is in a tensor, so that fakes cannot run it.
    """

    name: str
    build: Callable[[Attention], nn.Module]
    inputs: Callable[[], Inputs]
    attentions: tuple[Attention, ...] = EVERY_ATTENTION
    kind: Kind = "text"
    modes: tuple[Mode, ...] = ("eval", "train")
    asks_for_data: tuple[Mode, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A family with one of its attentions.

    Attributes:
        family: it is of.
        attention: the implementation asked for, or None where the class is left to choose.
    """

    family: Family
    attention: Attention

    @property
    def name(self) -> str:
        """Of the family."""
        return self.family.name

    @property
    def id(self) -> str:
        """Name and attention."""
        return f"{self.name}-{self.attention or 'default'}"

    def model(self, device: str = "cpu") -> nn.Module:
        """The model in eval mode, always with the same weights."""
        torch.manual_seed(SEED)
        with torch.device(device):
            return self.family.build(self.attention).eval()

    def inputs(self) -> Inputs:
        """Its batch, always the same."""
        torch.manual_seed(SEED)
        return self.family.inputs()


def of_class(class_name: str, **settings: Any) -> Callable[[Attention], nn.Module]:
    """A builder of the transformers class of that name, with those settings in its configuration."""

    def build(attention: Attention) -> nn.Module:
        import transformers

        model_class = getattr(transformers, class_name)
        asked = {} if attention is None else {"attn_implementation": attention}
        model: nn.Module = model_class(model_class.config_class(**copy.deepcopy(settings), **asked))
        return model

    return build


def set_attention(model: nn.Module, attention: str) -> None:
    """Has the model and its parts use that implementation."""
    setter: Callable[[str], None] = getattr(model, "set_attn_implementation")  # noqa: B009 - torch's types hide it
    setter(attention)


def words(length: int = 7) -> Tensor:
    """Ids of texts of that length."""
    return torch.randint(4, WORDS - 4, (BATCH, length))  # the first and the last are special in some models


def text(length: int = 7) -> Callable[[], Inputs]:
    """Texts for a model that takes nothing else."""
    return lambda: {"input_ids": words(length)}


def padded_text() -> Inputs:
    """Texts, the first of which ends early."""
    mask = torch.ones(BATCH, 7, dtype=torch.long)
    mask[0, 5:] = 0
    return {"input_ids": words(), "attention_mask": mask}


def text_pair() -> Inputs:
    """Texts, and shorter ones for a decoder."""
    return {"input_ids": words(), "decoder_input_ids": words(3)}


def pictures(size: int = 32, channels: int = 3) -> Callable[[], Inputs]:
    """Square pictures of that many pixels a side."""
    return lambda: {"pixel_values": torch.randn(BATCH, channels, size, size)}
