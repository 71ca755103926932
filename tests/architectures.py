"""Small models of real architectures with random weights, and one batch for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from PIL import Image
from torch import nn
from transformers import BertConfig, BertModel, ResNetConfig, ResNetModel, T5Config, T5Model

from layerprof import models
from layerprof.records import Prompt

_SEED = 7
_WORDS = 64

Inputs = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Architecture:
    """A model and a batch for it.

    Attributes:
        attention: the implementation asked for, or None where there is no attention.
        build: makes the model on the given device.
    """

    name: str
    attention: str | None
    build: Callable[[str], nn.Module]
    inputs: Callable[[], Inputs]

    def model(self, device: str = "cpu") -> nn.Module:
        """The model in eval mode, always with the same weights."""
        torch.manual_seed(_SEED)
        return self.build(device).eval()


def _resnet(device: str) -> nn.Module:
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1], layer_type="bottleneck")
    with torch.device(device):
        model: nn.Module = ResNetModel(config)
    return model


def _bert(attention: str) -> Callable[[str], nn.Module]:
    def build(device: str) -> nn.Module:
        config = BertConfig(
            vocab_size=_WORDS,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=48,
            max_position_embeddings=32,
            attn_implementation=attention,
        )
        with torch.device(device):
            model: nn.Module = BertModel(config)
        return model

    return build


def _t5(attention: str) -> Callable[[str], nn.Module]:
    def build(device: str) -> nn.Module:
        config = T5Config(
            vocab_size=_WORDS, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, attn_implementation=attention
        )
        with torch.device(device):
            model: nn.Module = T5Model(config)
        return model

    return build


def _blip2(attention: str) -> Callable[[str], nn.Module]:
    def build(device: str) -> nn.Module:
        model = models.load("blip2-tiny", device=device)
        set_attention: Callable[[str], None] = getattr(model, "set_attn_implementation")  # noqa: B009 - transformers'
        set_attention(attention)
        return model

    return build


def _resnet_inputs() -> Inputs:
    return {"pixel_values": torch.randn(2, 3, 64, 64)}


def _bert_inputs() -> Inputs:
    mask = torch.ones(2, 7, dtype=torch.long)
    mask[0, 5:] = 0
    return {"input_ids": torch.randint(_WORDS, (2, 7)), "attention_mask": mask}


def _t5_inputs() -> Inputs:
    return {"input_ids": torch.randint(_WORDS, (2, 7)), "decoder_input_ids": torch.randint(_WORDS, (2, 3))}


def _blip2_inputs() -> Inputs:
    model = models.load("blip2-tiny")
    prompts = [
        Prompt(head="Question:", body=body, tail="Short answer:") for body in ("what is this?", "which colour is it?")
    ]
    pictures = [Image.new("RGB", (40, 30), color) for color in ("red", "blue")]
    made = models.adapter_for(model).inputs(model, pictures, prompts, models.InputOptions())
    return {name: value for name, value in made.items() if isinstance(value, torch.Tensor)}


ARCHITECTURES = (
    Architecture("resnet", None, _resnet, _resnet_inputs),
    *(
        Architecture(name, attention, build(attention), inputs)
        for name, build, inputs in (
            ("bert", _bert, _bert_inputs),
            ("t5", _t5, _t5_inputs),
            ("blip2-tiny", _blip2, _blip2_inputs),
        )
        for attention in ("eager", "sdpa")
    ),
)
