"""What transformers does with BLIP-2 that is plausible and wrong, or has to be known before numbers are compared.

These hold the library to what this package stands on (transformers 5.17 to 5.23). Where one fails after an update, the
comment above it says what has changed upstream, and the code that knew of it is to be looked at.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn
from transformers import Blip2ForConditionalGeneration, Blip2Processor
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from layerprof import models
from layerprof.errors import InputError
from layerprof.models import InputOptions
from layerprof.models.base import uncompiled
from layerprof.models.blip2 import processor_of
from layerprof.models.blip2.base import IMAGE_TOKEN_ID, PAD_TOKEN_ID, PRESETS, QUERY_TOKENS, config_of
from layerprof.models.blip2.encoding import require_image_tokens
from layerprof.models.blip2.geometry import preset_config
from layerprof.records import Prompt
from layerprof.sweeping.base.numbers import nan_in_outputs
from layerprof.sweeping.base.validity import IMAGE_TOKENS, MOST_POSITIONS, PATCH_PIXELS
from layerprof.sweeping.measuring.optimizing import optimized

TOWERS = ("vision", "qformer", "language")
SHORT = Prompt(head="Question:", body="what?", tail="Short answer:")
LONG = Prompt(head="Question:", body="is there a small red triangle in this picture or not?", tail="Short answer:")
PICTURE = Image.new("RGB", (64, 48), "red")
PATCH = 14
OWN_SIZE = 224


class Block(nn.Module):
    """A layer inside another."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.inside(x))


@pytest.fixture(scope="module")
def tiny() -> Any:  # of a class whose types are not checked
    return models.load("blip2-tiny")


@pytest.fixture(scope="module")
def processor(tiny: nn.Module) -> Any:
    return processor_of(tiny)


def encoded(processor: Any, *prompts: Prompt, **options: object) -> dict[str, torch.Tensor]:
    texts = [prompt.text for prompt in prompts]
    return dict(processor(images=[PICTURE] * len(texts), text=texts, return_tensors="pt", **options))


def attention_of(model: nn.Module) -> list[str | None]:
    return [part.attention for part in models.adapter_for(model).describe(model).parts if part.name in TOWERS]


def pixels(size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, 3, size, size, generator=generator)


# Changes where transformers has another default attention: a preset without an optimization is then another row.
def test_all_towers_compute_sdpa_unless_asked(tiny: Any) -> None:
    assert attention_of(tiny) == ["sdpa", "sdpa", "sdpa"]
    assert tiny.config._attn_implementation == "sdpa"


# Changes where a part that the dict does not name is set too.
def test_attention_by_part_leaves_the_unnamed_parts_as_they_are(tiny: Any) -> None:
    with optimized(tiny, "sdpa"):
        tiny.set_attn_implementation({"vision_config": "eager"})

        found = attention_of(tiny)

    assert found == ["eager", "sdpa", "sdpa"]
    assert attention_of(tiny) == ["sdpa", "sdpa", "sdpa"]


# Changes where the Q-Former leaves float32 (transformers issue 30360): then flash_attention_2 may be asked of the
# whole, and the plan has to stop refusing it.
def test_flash_attention_2_is_refused_of_the_whole_model(tiny: Any) -> None:
    with pytest.raises(ValueError, match="does not support Flash Attention 2"):
        tiny.set_attn_implementation("flash_attention_2")


# Likewise: which parts flash_attention_2_parts sets.
def test_the_towers_that_support_flash_attention_are_vision_and_language(tiny: Any) -> None:
    supported = [tiny.vision_model, tiny.qformer, tiny.language_model]

    assert not type(tiny)._supports_flash_attn
    assert [type(part)._supports_flash_attn for part in supported] == [True, False, True]


# Changes where the classes' check or the package's no longer comes first; where flash_attn or kernels is installed on
# a machine, the parts take it.
def test_flash_attention_2_by_part_gets_as_far_as_the_package(tiny: Any) -> None:
    if not _lacks_flash_attention():
        pytest.skip("flash_attn or kernels is installed")

    with pytest.raises(ImportError, match="installed"):
        tiny.set_attn_implementation({"vision_config": "flash_attention_2", "text_config": "flash_attention_2"})

    assert attention_of(tiny) == ["sdpa", "sdpa", "sdpa"]


def _lacks_flash_attention() -> bool:
    from importlib.util import find_spec

    return find_spec("flash_attn") is None and find_spec("kernels") is None


# Changes where the processor puts the picture's tokens elsewhere: ours are then in another order than the library's.
def test_the_processor_puts_image_tokens_before_padding_and_text(tiny: Any, processor: Any) -> None:
    found = encoded(processor, SHORT, LONG, padding=True)["input_ids"]
    ours = models.adapter_for(tiny).inputs(tiny, [PICTURE] * 2, [SHORT, LONG], InputOptions())["input_ids"]

    is_image = found == IMAGE_TOKEN_ID
    assert is_image.sum(dim=1).tolist() == [QUERY_TOKENS] * 2
    assert is_image[:, :QUERY_TOKENS].all()
    assert found[0, QUERY_TOKENS] == PAD_TOKEN_ID
    assert isinstance(ours, torch.Tensor)
    assert torch.equal(found, ours)


# Changes where the processor pads by itself: prompts of unequal length would then go through unnoticed.
def test_the_processor_pads_only_where_it_is_asked_to(processor: Any) -> None:
    with pytest.raises(ValueError, match="Unable to convert"):
        encoded(processor, SHORT, LONG)


# Changes where OPT numbers positions otherwise than by the mask.
def test_padding_on_the_right_gives_other_logits_than_on_the_left(tiny: Any, processor: Any) -> None:
    alone = encoded(processor, SHORT)
    left = encoded(processor, SHORT, LONG, padding=True)
    width, length = left["input_ids"].shape[1], alone["input_ids"].shape[1]
    missing = width - length
    right = {
        "pixel_values": alone["pixel_values"],
        "input_ids": nn.functional.pad(alone["input_ids"], (0, missing), value=PAD_TOKEN_ID),
        "attention_mask": nn.functional.pad(alone["attention_mask"], (0, missing)),
    }

    with torch.no_grad():
        wanted = tiny(**alone).logits[0, -1]
        padded_left, padded_right = tiny(**left).logits[0, -1], tiny(**right).logits[0, -1]

    torch.testing.assert_close(padded_left, wanted, rtol=1e-4, atol=1e-5)
    assert (padded_right - wanted).abs().max() > 100 * (padded_left - wanted).abs().max()


# Changes where max_length is of the text alone, or cutting keeps the tail.
def test_the_processors_max_length_counts_the_picture_and_cuts_the_cue(tiny: Any, processor: Any) -> None:
    limit = QUERY_TOKENS + 10
    tokenizer = processor.tokenizer

    theirs = encoded(processor, LONG, max_length=limit, truncation=True)["input_ids"][0]
    ours = models.adapter_for(tiny).inputs(tiny, [PICTURE], [LONG], InputOptions(max_text_tokens=10))["input_ids"]

    assert len(theirs) == limit
    assert not tokenizer.decode(theirs).endswith(LONG.tail)
    assert isinstance(ours, torch.Tensor)
    assert ours.shape == (1, limit)
    assert tokenizer.decode(ours[0]).endswith(LONG.tail)


# Changes where transformers has another default length: an answer without max_new_tokens is then longer or shorter.
def test_generating_without_a_length_gives_20_new_tokens(tiny: Any, processor: Any) -> None:
    inputs = encoded(processor, SHORT)
    tiny.generation_config.eos_token_id, before = None, tiny.generation_config.eos_token_id
    try:
        with torch.no_grad(), pytest.warns(UserWarning, match="max_new_tokens"):
            output = tiny.generate(**inputs)
    finally:
        tiny.generation_config.eos_token_id = before

    assert output.shape[1] - inputs["input_ids"].shape[1] == 20


# Changes where max_length counts new tokens only.
def test_a_max_length_below_the_prompt_is_refused(tiny: Any, processor: Any) -> None:
    with torch.no_grad(), pytest.raises(ValueError, match="max_length"):
        tiny.generate(**encoded(processor, SHORT), max_length=10)


# Changes where generate returns the new tokens alone: then cutting the prompt off would cut the answer.
def test_what_is_generated_begins_with_the_prompt(tiny: Any, processor: Any) -> None:
    inputs = encoded(processor, SHORT)
    prompt = inputs["input_ids"]

    with torch.no_grad():
        output = tiny.generate(**inputs, max_new_tokens=3, min_new_tokens=3, do_sample=False)

    assert torch.equal(output[:, : prompt.shape[1]], prompt)
    assert output[:, prompt.shape[1] :].shape == (1, 3)


# Changes where transformers refuses such a prompt itself.
def test_a_prompt_without_image_tokens_ignores_the_picture_and_is_refused_by_us(tiny: Any, processor: Any) -> None:
    ids = encoded(processor, SHORT)["input_ids"][:, QUERY_TOKENS:]

    with torch.no_grad():
        one, other = (tiny(pixel_values=seen, input_ids=ids).logits for seen in (pixels(OWN_SIZE), -pixels(OWN_SIZE)))

    assert torch.equal(one, other)
    with pytest.raises(InputError, match="sample 0 has 0 image tokens"):
        require_image_tokens(ids, image_token_id=IMAGE_TOKEN_ID, count=QUERY_TOKENS)


# Changes where positions are interpolated without being asked for: then image_size above 224 is another measurement.
@pytest.mark.parametrize("method", ["forward", "generate"])
def test_a_larger_picture_needs_interpolated_positions(tiny: Any, processor: Any, method: str) -> None:
    inputs = {**encoded(processor, SHORT), "pixel_values": pixels(336)}
    extra = {"max_new_tokens": 2} if method == "generate" else {}
    call = getattr(tiny, method)

    with torch.no_grad():
        with pytest.raises(RuntimeError, match=r"577.*257"):
            call(**inputs, **extra)
        call(**inputs, **extra, interpolate_pos_encoding=True)


# Changes where the tower has no class token any more, or its patches are of another size.
@pytest.mark.parametrize(("size", "tokens"), [(224, 257), (336, 577), (448, 1025)])
def test_the_vision_tower_has_a_token_for_each_patch_and_one_more(tiny: Any, size: int, tokens: int) -> None:
    with torch.no_grad():
        output = tiny.vision_model(pixels(size), interpolate_pos_encoding=size != OWN_SIZE).last_hidden_state

    assert output.shape[1] == tokens == (size // PATCH) ** 2 + 1


# Changes where the default is the checkpoints' size: then `size` need not be given.
def test_the_image_processors_own_size_is_not_the_checkpoints(processor: Any) -> None:
    assert dict(BlipImageProcessorPil().size)["height"] == 384
    assert dict(processor.image_processor.size)["height"] == OWN_SIZE


# Changes where transformers initialises them itself; ours then need not be our own.
def test_the_librarys_random_weights_are_degenerate_and_ours_are_not(tiny: Any) -> None:
    raw = Blip2ForConditionalGeneration(preset_config(PRESETS["blip2-tiny"]))

    assert not raw.query_tokens.any()
    assert raw.vision_model.encoder.layers[0].mlp.fc1.weight.std() < 1e-8
    assert tiny.query_tokens.any(dim=-1).all()
    assert tiny.vision_model.encoder.layers[0].mlp.fc1.weight.std() > 0.01


# Changes where transformers keeps other parts in float32, or none: cells in fp16 are then of another arithmetic.
def test_in_fp16_the_qformer_is_loaded_in_float32_as_ours_is_built(tiny: Any, tmp_path: Path) -> None:
    tiny.save_pretrained(tmp_path)

    loaded = Blip2ForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float16)
    built = models.load("blip2-tiny", dtype="fp16")

    dtypes = {name: tensor.dtype for name, tensor in loaded.named_parameters()}
    assert dtypes == {name: tensor.dtype for name, tensor in built.named_parameters()}
    assert dtypes["query_tokens"] == loaded.qformer.layernorm.weight.dtype == torch.float32
    assert loaded.language_model.dtype == loaded.vision_model.dtype == torch.float16
    assert {tensor.dtype for tensor in loaded.half().parameters()} == {torch.float16}


# Changes where Blip2.generate calls the model's own forward.
def test_compiling_the_whole_model_compiles_nothing_of_generate(tiny: Any, processor: Any) -> None:
    with optimized(tiny, "compile_whole", backend="eager") as way:
        graphs = way.generate_graphs(encoded(processor, SHORT))

        assert graphs == 0
        assert uncompiled(way.model) is tiny


# Changes where transformers calls a tower by something else than its forward.
@pytest.mark.slow
def test_compiling_each_tower_compiles_what_generate_runs(tiny: Any, processor: Any) -> None:
    inputs = encoded(processor, SHORT)
    with optimized(tiny, "compile", backend="eager") as way:
        way.prepare(inputs)
        truth = way.truth(inputs)

        assert dict(truth.graphs) == dict.fromkeys(TOWERS, 1)
        assert truth.is_in_force
        assert (way.generate_graphs(inputs) or 0) >= len(TOWERS)


# Changes where torch lets hooks that come after compiling fire: rows inside compiled code would then have times.
def test_a_hook_inside_that_comes_after_compiling_is_ignored() -> None:
    calls: list[str] = []
    block = Block().eval()
    with torch.no_grad(), optimized(block, "compile_whole", backend="eager") as way:
        way.prepare(torch.ones(2, 4))

        block.inside.register_forward_hook(lambda *_: calls.append("inside"))
        way.model(torch.ones(2, 4))

    assert calls == []


# Changes where torch finds no NaN any more, or the language model's outputs are not looked at.
def test_logits_that_are_nan_are_found(tiny: Any, processor: Any) -> None:
    inputs = encoded(processor, SHORT)
    before = nan_in_outputs(tiny, inputs)

    found = nan_in_outputs(tiny, {**inputs, "pixel_values": torch.full((1, 3, OWN_SIZE, OWN_SIZE), torch.nan)})

    assert before is None
    assert found is not None
    assert "NaN" in found


# Changes where the processor is made otherwise (Blip2ProcessorKwargs is to go in 5.29).
def test_the_processor_takes_what_we_give_it() -> None:
    parameters = inspect.signature(Blip2Processor.__init__).parameters

    assert list(parameters)[1:4] == ["image_processor", "tokenizer", "num_query_tokens"]


# Changes where the presets are built in another shape: a plan tells what is impossible by these, without torch.
@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_plan_knows_the_presets_sizes(preset: str) -> None:
    config = preset_config(PRESETS[preset])

    assert config.num_query_tokens == IMAGE_TOKENS
    assert config.vision_config.patch_size == PATCH_PIXELS
    assert config.text_config.max_position_embeddings == MOST_POSITIONS


def test_the_picture_has_one_name_for_its_token(tiny: nn.Module) -> None:
    assert config_of(tiny).image_token_index == config_of(tiny).image_token_id == IMAGE_TOKEN_ID
