"""Models of pictures and text together."""

from __future__ import annotations

import torch
from torch import nn

from architectures.base import (
    BATCH,
    NO_CHOICE,
    WORDS,
    Attention,
    Family,
    Inputs,
    of_class,
    pictures,
    set_attention,
    words,
)

_IMAGE_TOKEN = WORDS - 1
_TOWER = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
_VISION = {**_TOWER, "image_size": 32, "patch_size": 16}
_TEXT = {
    **_TOWER,
    "vocab_size": WORDS,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def _pictures_and_text() -> Inputs:
    return {**pictures()(), "input_ids": words()}


def _pictures_in_text(count: int) -> Inputs:
    """Texts that begin with ``count`` places for what the picture becomes."""
    images = torch.full((BATCH, count), _IMAGE_TOKEN)
    ids = torch.cat([images, words()], dim=1)
    return {**pictures()(), "input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _tiny_blip2(attention: Attention) -> nn.Module:
    from layerprof import models

    device = torch.get_default_device()
    model = models.load("blip2-tiny", device=str(device))
    if attention is not None:
        set_attention(model, attention)
    return model


def _blip2_inputs() -> Inputs:
    """As many image tokens as the preset has query tokens, by the ids of its tokenizer."""
    images = torch.full((BATCH, 32), 50_258)
    ids = torch.cat([images, words()], dim=1)
    return {
        "pixel_values": torch.randn(BATCH, 3, 224, 224),
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
    }


def _latents() -> Inputs:
    return {"inputs": torch.randn(BATCH, 9, 24)}


FAMILIES = (
    Family(
        name="clip",
        build=of_class("CLIPModel", text_config=_TEXT, vision_config=_VISION, projection_dim=16),
        inputs=_pictures_and_text,
        kind="multimodal",
    ),
    Family(
        name="siglip",
        build=of_class("SiglipModel", text_config=_TEXT, vision_config=_VISION),
        inputs=_pictures_and_text,
        kind="multimodal",
    ),
    Family(name="blip2-tiny", build=_tiny_blip2, inputs=_blip2_inputs, kind="multimodal"),
    Family(
        name="llava",
        build=of_class(
            "LlavaForConditionalGeneration",
            text_config={**_TEXT, "model_type": "llama"},
            vision_config={**_VISION, "model_type": "clip_vision_model"},
            image_token_index=_IMAGE_TOKEN,
        ),
        inputs=lambda: _pictures_in_text(4),
        kind="multimodal",
    ),
    Family(
        name="vilt",
        build=of_class("ViltModel", **_TEXT, image_size=32, patch_size=16, max_image_length=-1),
        inputs=_pictures_and_text,
        attentions=NO_CHOICE,
        kind="multimodal",
    ),
    Family(
        name="perceiver",
        build=of_class(
            "PerceiverModel",
            num_latents=5,
            d_latents=16,
            d_model=24,
            num_blocks=1,
            num_self_attends_per_block=2,
            num_self_attention_heads=4,
            num_cross_attention_heads=4,
        ),
        inputs=_latents,
        attentions=NO_CHOICE,
        kind="multimodal",
    ),
)
