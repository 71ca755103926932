"""The adapter for BLIP-2: a vision tower, the Q-Former, and OPT, from random or trained weights.

    picture ─ vision_model ─┐
                            ├─ qformer ─ language_projection ─┐
          32 query tokens ──┘                                 ├─ language_model ─ answer
                                          32 × <image> + text ┘

The default initialisation of transformers makes the query tokens zero and the vision tower 1e-10, so random weights
are our own (`weights`). Every model says in its label where its weights came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from layerprof.errors import InputError, MeasurementError
from layerprof.machine import available_bytes
from layerprof.models.base import (
    GivenAnswer,
    InputOptions,
    LoadOptions,
    ModelDescription,
    ModelInputs,
    PromptReport,
    config_label,
    parse_device,
    parse_dtype,
    part_info,
    uncompiled,
)
from layerprof.models.blip2.answering import given_answers
from layerprof.models.blip2.base import IMAGE_TOKEN, PRESETS, Preset, config_of, preset_named
from layerprof.models.blip2.checkpoint import checkpoint_config, checkpoint_label, checkpoint_model, checkpoint_source
from layerprof.models.blip2.encoding import (
    TextLength,
    encode_prompts,
    report_on,
    require_image_tokens,
    require_positions,
    text_length,
    with_image_tokens,
)
from layerprof.models.blip2.geometry import meta_model, preset_config, weight_bytes
from layerprof.models.blip2.memory import AvailableBytes, require_memory
from layerprof.models.blip2.processor import attach_processor, offline_processor, processor_of
from layerprof.models.blip2.weights import fill_randomly
from layerprof.records import PhaseRules, Prompt

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "PHASES",
    "PRESETS",
    "STAGES",
    "Blip2Adapter",
    "Preset",
    "offline_processor",
    "processor_of",
    "require_query_tokens",
]

STAGES = (
    ("vision.patch_embedding", ("vision_model.embeddings.patch_embedding",)),
    ("vision.blocks", ("vision_model.encoder",)),
    ("vision.norm", ("vision_model.post_layernorm",)),
    ("qformer", ("qformer",)),
    ("projection", ("language_projection",)),
    (
        "language.embedding",
        (
            "language_model.model.decoder.embed_tokens",
            "language_model.model.decoder.embed_positions",
            "language_model.model.decoder.project_in",
        ),
    ),
    ("language.blocks", ("language_model.model.decoder.layers",)),
    ("language.lm_head", ("language_model.lm_head",)),
)
PHASES = PhaseRules(
    opened_by=(("vision", ("vision_model",)), ("qformer", ("qformer", "language_projection"))),
    language="language_model",
    early=("language_model.model.decoder.embed_tokens", "language_model.shared", "language_model.encoder"),
)
_PARTS = (
    ("vision", "vision_model"),
    ("qformer", "qformer"),
    ("language", "language_model"),
    ("projection", "language_projection"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blip2Adapter:
    """Builds the BLIP-2 presets, makes inputs for any BLIP-2 with a decoder-only language model, and describes it.

    Attributes:
        available_bytes: what a device has left, asked before weights are allocated.
    """

    available_bytes: AvailableBytes = available_bytes

    def load(self, name: str, options: LoadOptions) -> nn.Module:
        """The preset with random weights, or with those of the hub or a folder, in eval mode.

        Raises:
            InputError: when the name, the dtype or the folder is none.
            UnavailableError: when the device or its memory is missing, or the hub cannot be reached.
        """
        preset = preset_named(name)
        device, dtype = parse_device(options.device), parse_dtype(options.dtype or preset.dtype)
        if options.weights == "random":
            return self._random(preset, device=device, dtype=dtype, seed=options.seed)
        return self._trained(preset, options.weights, device=device, dtype=dtype)

    def _random(self, preset: Preset, *, device: torch.device, dtype: torch.dtype, seed: int) -> nn.Module:
        model: nn.Module = meta_model(preset_config(preset), dtype)
        self._require_memory(model, (device,), preset.name)
        fill_randomly(model, device=device, seed=seed)
        config_of(model).name_or_path = f"{preset.name} (random weights, seed {seed})"
        return model

    def _trained(self, preset: Preset, weights: str, *, device: torch.device, dtype: torch.dtype) -> nn.Module:
        source = checkpoint_source(preset, weights)
        shapes = meta_model(checkpoint_config(source), dtype)
        self._require_memory(shapes, {torch.device("cpu"), device}, source)  # it is read on the CPU
        model: nn.Module = checkpoint_model(source, dtype).eval().to(device)
        attach_processor(model, source)
        config_of(model).name_or_path = checkpoint_label(preset, weights)
        return model

    def _require_memory(self, shapes: nn.Module, devices: Iterable[torch.device], name: str) -> None:
        for device in devices:
            require_memory(weight_bytes(shapes), device=device, available=self.available_bytes, name=name)

    def inputs(
        self, model: nn.Module, images: Sequence[Image.Image], prompts: Sequence[Prompt], options: InputOptions
    ) -> ModelInputs:
        """``pixel_values``, ``input_ids`` and ``attention_mask`` on the model's device.

        Where the picture's size is not the model's own, ``interpolate_pos_encoding`` is True beside them.

        Raises:
            InputError: when there is no sample, the counts differ, the text does not fit, or the tokenizer is not the
                model's.
            MeasurementError: when the query tokens are all zero.

        Shape:
            pixel_values: (samples, 3, size, size), in the vision tower's dtype.
            input_ids, attention_mask: (samples, query tokens + text tokens).
        """
        if not images or len(images) != len(prompts):
            raise InputError(
                f"there are {len(images)} pictures and {len(prompts)} prompts; give as many of each, at least one"
            )
        inner = uncompiled(model)
        require_query_tokens(inner)
        return {**_pixels(inner, images, options.image_size), **_tokens(inner, prompts, options)}

    def prompt_report(
        self, model: nn.Module, prompts: Sequence[Prompt], options: InputOptions
    ) -> tuple[PromptReport, ...]:
        """What `inputs` leaves of each prompt, in order.

        Raises:
            InputError: when the length asked for does not hold a prompt's head and cue.
        """
        inner = uncompiled(model)
        tokenizer, length = processor_of(inner).tokenizer, _length(inner, options)
        return tuple(report_on(tokenizer, prompt, limit=length.limit) for prompt in prompts)

    def answers(
        self, model: nn.Module, inputs: Mapping[str, object], *, max_new_tokens: int
    ) -> tuple[GivenAnswer, ...]:
        """By greedy generation that ends by itself, or after so many new tokens.

        Raises:
            InputError: when the inputs have no ``input_ids``.
            MeasurementError: when the library does not give the prompt back before the answer.
        """
        tokenizer = processor_of(uncompiled(model)).tokenizer
        return given_answers(model, inputs, tokenizer=tokenizer, max_new_tokens=max_new_tokens)

    def describe(self, model: nn.Module) -> ModelDescription:
        """Stages by the paths of the library's BLIP-2; the final norm and the query tokens are in none."""
        inner = uncompiled(model)
        parts = tuple(part_info(name, path, inner.get_submodule(path)) for name, path in _PARTS)
        return ModelDescription(label=config_label(inner), stages=STAGES, parts=parts, phases=PHASES)


def require_query_tokens(model: nn.Module) -> None:
    """Returns where the model's query tokens are not all zero; on the meta device there is nothing to look at.

    Raises:
        MeasurementError: when they are, as the library's own random initialisation leaves them.
    """
    query_tokens = model.get_parameter("query_tokens")
    if not query_tokens.is_meta and not query_tokens.any():
        raise MeasurementError(
            "the model's query tokens are all zero, so all of them see the same; load trained weights, or random "
            "ones by layerprof.models.load"
        )


def _pixels(model: nn.Module, images: Sequence[Image.Image], image_size: int | None) -> ModelInputs:
    vision = config_of(model).vision_config
    size = vision.image_size if image_size is None else image_size
    if size < vision.patch_size:
        raise InputError(f"image_size {size} is less than one patch of {vision.patch_size} pixels")
    processor = processor_of(model).image_processor
    pixels = processor(images=list(images), size={"height": size, "width": size}, return_tensors="pt")["pixel_values"]
    weight = model.get_parameter("vision_model.embeddings.patch_embedding.weight")
    inputs: ModelInputs = {"pixel_values": pixels.to(device=weight.device, dtype=weight.dtype)}
    return inputs if size == vision.image_size else {**inputs, "interpolate_pos_encoding": True}


def _length(model: nn.Module, options: InputOptions) -> TextLength:
    return text_length(options, image_tokens=config_of(model).num_query_tokens)


def _tokens(model: nn.Module, prompts: Sequence[Prompt], options: InputOptions) -> ModelInputs:
    config, tokenizer = config_of(model), processor_of(model).tokenizer
    ids, mask = encode_prompts(tokenizer, prompts, _length(model, options))
    image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    ids, mask = with_image_tokens(ids, mask, image_token_id=image_token_id, count=config.num_query_tokens)
    require_image_tokens(ids, image_token_id=config.image_token_index, count=config.num_query_tokens)
    require_positions(mask, limit=config.text_config.max_position_embeddings, new_tokens=options.new_tokens)
    device = model.get_parameter("query_tokens").device
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
