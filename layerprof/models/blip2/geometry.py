"""A BLIP-2 model's shape: the configuration of a preset, and the model as shapes without storage.

A model on the meta device costs a tenth of a second and no memory, so what a build will need is known before it begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from layerprof.models.blip2.base import (
    END_TOKEN_ID,
    IMAGE_TOKEN_ID,
    PAD_TOKEN_ID,
    QUERY_TOKENS,
    VOCABULARY_SIZE,
    Preset,
    TowerShape,
)

if TYPE_CHECKING:
    from transformers import Blip2Config, Blip2ForConditionalGeneration


def preset_config(preset: Preset) -> Blip2Config:
    """The configuration of a preset, with the token ids of the offline tokenizer."""
    from transformers import Blip2Config

    return Blip2Config(
        vision_config=_encoder_settings(preset.vision),
        qformer_config=_encoder_settings(preset.qformer),
        text_config=_decoder_settings(preset.language),
        num_query_tokens=QUERY_TOKENS,
        image_token_index=IMAGE_TOKEN_ID,
    )


def _encoder_settings(shape: TowerShape) -> dict[str, int]:
    return {
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.mlp_width,
    }


def _decoder_settings(shape: TowerShape) -> dict[str, int | str]:
    return {
        "model_type": "opt",
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "ffn_dim": shape.mlp_width,
        "word_embed_proj_dim": shape.width,
        "vocab_size": VOCABULARY_SIZE,
        "bos_token_id": END_TOKEN_ID,
        "eos_token_id": END_TOKEN_ID,
        "pad_token_id": PAD_TOKEN_ID,
    }


def meta_model(config: Blip2Config, dtype: torch.dtype) -> Blip2ForConditionalGeneration:
    """The model as shapes, each tensor in the dtype that ``from_pretrained`` would load it in.

    In float16 that keeps the Q-Former and the query tokens in float32, so cells with random and with trained weights
    measure the same arithmetic.
    """
    from transformers import Blip2ForConditionalGeneration

    with torch.device("meta"):
        model = Blip2ForConditionalGeneration(config)
    model.to(dtype)
    if dtype == torch.float16:
        _restore_float32(model)
    model.tie_weights()
    return model.eval()


def _restore_float32(model: Blip2ForConditionalGeneration) -> None:
    kept = set(getattr(model, "_keep_in_fp32_modules", None) or ())
    for path, parameter in model.named_parameters():
        if kept.intersection(path.split(".")):
            parameter.data = parameter.data.float()


def weight_bytes(model: torch.nn.Module) -> int:
    """Bytes of the distinct parameters and buffers of a model, on the meta device or not."""
    return sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
