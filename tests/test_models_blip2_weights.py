"""The presets' geometry, and random weights that are no special case for the arithmetic."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import Blip2Config, Blip2ForConditionalGeneration

from layerprof import models
from layerprof.errors import InputError, MeasurementError
from layerprof.models.blip2 import require_query_tokens


@pytest.fixture(scope="module")
def tiny() -> nn.Module:
    return models.load("blip2-tiny")


@pytest.fixture(scope="module")
def full() -> Blip2ForConditionalGeneration:
    return models.load("blip2-opt-2.7b", device="meta")


def linear_count(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def vision_count() -> int:
    width, mlp_width, patches = 1408, 6144, (224 // 14) ** 2
    norm = 2 * width
    block = 2 * norm + linear_count(width, 3 * width) + linear_count(width, width)
    block += linear_count(width, mlp_width) + linear_count(mlp_width, width)
    embeddings = width + (patches + 1) * width + linear_count(3 * 14 * 14, width)
    return embeddings + 39 * block + norm


def qformer_count() -> int:
    width, mlp_width, image_width = 768, 3072, 1408
    norm = 2 * width
    self_attention = 4 * linear_count(width, width) + norm
    cross_attention = 2 * linear_count(width, width) + 2 * linear_count(image_width, width) + norm
    feed_forward = linear_count(width, mlp_width) + linear_count(mlp_width, width) + norm
    return norm + 12 * (self_attention + feed_forward) + 6 * cross_attention


def language_count() -> int:
    width, mlp_width, vocabulary, positions = 2560, 10240, 50304, 2048 + 2
    norm = 2 * width
    block = 4 * linear_count(width, width) + 2 * norm
    block += linear_count(width, mlp_width) + linear_count(mlp_width, width)
    return (vocabulary + positions) * width + 32 * block + norm


def test_the_full_preset_has_the_published_number_of_parameters(full: Blip2ForConditionalGeneration) -> None:
    expected = vision_count() + qformer_count() + language_count() + linear_count(768, 2560) + 32 * 768

    found = sum(parameter.numel() for parameter in full.parameters())

    assert found == expected
    assert round(found / 1e9, 2) == 3.74


def test_the_full_preset_has_the_published_shape(full: Blip2ForConditionalGeneration) -> None:
    vision, qformer, text = full.config.vision_config, full.config.qformer_config, full.config.text_config

    assert (vision.hidden_size, vision.num_hidden_layers, vision.num_attention_heads) == (1408, 39, 16)
    assert (vision.intermediate_size, vision.patch_size, vision.image_size) == (6144, 14, 224)
    assert (qformer.hidden_size, qformer.num_hidden_layers, qformer.cross_attention_frequency) == (768, 12, 2)
    assert (text.hidden_size, text.num_hidden_layers, text.num_attention_heads) == (2560, 32, 32)
    assert (text.ffn_dim, text.word_embed_proj_dim, text.vocab_size) == (10240, 2560, 50304)
    assert full.config.num_query_tokens == 32


def test_the_full_preset_is_bfloat16_unless_another_is_asked_for(full: Blip2ForConditionalGeneration) -> None:
    assert {parameter.dtype for parameter in full.parameters()} == {torch.bfloat16}


def test_the_tiny_preset_has_the_same_modules_up_to_depth(tiny: nn.Module, full: nn.Module) -> None:
    def kinds(model: nn.Module) -> set[str]:
        return {type(module).__name__ for module in model.modules()}

    assert kinds(tiny) == kinds(full)


def test_no_value_is_zero_denormal_or_infinite(tiny: nn.Module) -> None:
    smallest = torch.finfo(torch.float16).smallest_normal

    assert all(
        bool((parameter.abs() > smallest).all()) and bool(parameter.isfinite().all()) for parameter in tiny.parameters()
    )


def test_weights_have_the_librarys_deviation(tiny: nn.Module) -> None:
    weight = tiny.get_parameter("vision_model.encoder.layers.0.mlp.fc1.weight")

    assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert weight.mean().item() == pytest.approx(0.0, abs=0.001)


def test_layer_norms_scale_by_one_and_shift_a_little(tiny: nn.Module) -> None:
    norms = [module for module in tiny.modules() if isinstance(module, nn.LayerNorm)]

    assert all(bool((norm.weight == 1).all()) for norm in norms)
    assert all(0 < norm.bias.abs().max() < 0.2 for norm in norms)


def test_no_row_of_a_matrix_larger_than_the_pool_comes_twice(tiny: nn.Module) -> None:
    embedding = tiny.get_parameter("language_model.model.decoder.embed_tokens.weight")

    assert len(torch.unique(embedding[:, :4], dim=0)) == len(embedding)


def test_the_head_shares_the_embeddings_storage(tiny: nn.Module) -> None:
    head = tiny.get_parameter("language_model.lm_head.weight")

    assert head is tiny.get_parameter("language_model.model.decoder.embed_tokens.weight")


def test_another_dtype_gives_the_same_weights_to_rounding(tiny: nn.Module) -> None:
    rounded = models.load("blip2-tiny", dtype="bf16")

    assert all(
        torch.equal(parameter.bfloat16(), other)
        for parameter, other in zip(tiny.parameters(), rounded.parameters(), strict=True)
    )


def test_in_float16_the_qformer_stays_in_float32_as_trained_weights_load() -> None:
    model = models.load("blip2-tiny", dtype="fp16")

    parts = {part.name: part.dtype for part in models.adapter_for(model).describe(model).parts}

    assert parts == {"vision": "float16", "qformer": "float32", "language": "float16", "projection": "float16"}


def test_the_label_says_where_the_weights_came_from() -> None:
    model = models.load("blip2-tiny", seed=7)

    assert models.adapter_for(model).describe(model).label == "blip2-tiny (random weights, seed 7)"


def test_attention_in_force_is_described_after_it_was_exchanged() -> None:
    model: Blip2ForConditionalGeneration = models.load("blip2-tiny")
    model.set_attn_implementation("eager")

    parts = {part.name: part.attention for part in models.adapter_for(model).describe(model).parts}

    assert parts == {"vision": "eager", "qformer": "eager", "language": "eager", "projection": None}


def test_every_stage_but_the_optional_projection_is_in_the_model(full: nn.Module) -> None:
    paths = {path for path, _ in full.named_modules()}
    globs = [glob for _, globs in models.adapter_for(full).describe(full).stages or () for glob in globs]

    assert set(globs) - paths == {"language_model.model.decoder.project_in"}


def test_loaded_query_tokens_pass_the_guard(tiny: nn.Module) -> None:
    require_query_tokens(tiny)


def test_query_tokens_that_are_all_zero_are_refused() -> None:
    config = Blip2Config(
        vision_config={"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32},
        qformer_config={"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
        text_config={"model_type": "opt", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
    )
    default_initialised = Blip2ForConditionalGeneration(config)

    with pytest.raises(MeasurementError, match="query tokens are all zero"):
        require_query_tokens(default_initialised)


def test_the_tiny_preset_has_no_published_weights() -> None:
    with pytest.raises(InputError, match="blip2-tiny has no published weights; use weights='random' or a folder"):
        models.load("blip2-tiny", weights="pretrained")
