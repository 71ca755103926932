"""`count_flops` of models of transformers: generations of a stated length, and mixtures of experts."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from architectures import FAMILIES, Architecture
from torch import Tensor, nn

import layerprof as lp

TOKENS = 3
STATED = {"min_new_tokens": TOKENS, "max_new_tokens": TOKENS, "do_sample": False}
LANGUAGE = ("gpt2", "opt", "llama", "qwen2")
EXPERTS = ("mixtral", "qwen3-moe", "deepseek-v3")
NEEDS_DATA = r"asks for data, which fakes do not have .* passes=\(\"flops\",\)"


def architecture(name: str) -> Architecture:
    """The one of that name, with the attention that its class takes by itself."""
    family = next(family for family in FAMILIES if family.name == name)
    return Architecture(family=family, attention=family.attentions[0])


def flops_of_a_real_run(model: nn.Module, inputs: Mapping[str, Tensor], **options: object) -> dict[str, int | None]:
    kwargs = {**STATED, **options}
    profile = lp.profile(model, inputs, method="generate", method_kwargs=kwargs, passes=("flops",), warmup=0, repeats=1)
    return {layer.path: layer.flops for layer in profile.layers}


@pytest.fixture(scope="module")
def stated_total() -> int:
    """FLOPs of a generation of the stated length by the smallest of the models."""
    report = lp.count_flops(architecture("gpt2").model(), prompt_of("gpt2"), method="generate", method_kwargs=STATED)
    return report.total


def prompt_of(name: str) -> dict[str, Tensor]:
    """What generate takes: ids with a mask, and pictures where the model has any."""
    inputs = dict(architecture(name).inputs())
    return {"attention_mask": torch.ones_like(inputs["input_ids"]), **inputs}


@pytest.mark.parametrize("name", [*LANGUAGE, *EXPERTS, pytest.param("blip2-tiny", marks=pytest.mark.slow)])
def test_a_generation_has_the_flops_of_a_real_one_of_that_length(name: str) -> None:
    model, inputs = architecture(name).model(), prompt_of(name)

    report = lp.count_flops(model, inputs, method="generate", method_kwargs=STATED)

    assert dict(report.by_layer) == flops_of_a_real_run(model, inputs)


def encoder_decoder() -> nn.Module:
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, decoder_start_token_id=0)
    model: nn.Module = T5ForConditionalGeneration(config)
    return model


def test_an_encoder_decoder_generates_the_stated_tokens() -> None:
    model, inputs = encoder_decoder(), {"input_ids": torch.arange(14).view(2, 7) + 5}

    report = lp.count_flops(model, inputs, method="generate", method_kwargs=STATED)

    assert dict(report.by_layer) == flops_of_a_real_run(model, inputs)


def test_a_model_and_a_prompt_without_data_generate_too() -> None:
    one, inputs = architecture("llama"), prompt_of("qwen2")
    without_data = {name: tensor.to("meta") for name, tensor in inputs.items()}

    report = lp.count_flops(one.model("meta"), without_data, method="generate", method_kwargs=STATED)

    assert dict(report.by_layer) == flops_of_a_real_run(one.model(), inputs)


def test_a_search_over_beams_is_refused() -> None:
    model, inputs = architecture("gpt2").model(), prompt_of("gpt2")

    with pytest.raises(lp.MeasurementError, match=NEEDS_DATA):
        lp.count_flops(model, inputs, method="generate", method_kwargs={**STATED, "num_beams": 2})


def test_no_token_ends_a_generation_early(stated_total: int) -> None:
    model, inputs = architecture("gpt2").model(), prompt_of("gpt2")
    may_end = {"max_new_tokens": TOKENS, "eos_token_id": list(range(64)), "pad_token_id": 0}

    report = lp.count_flops(model, inputs, method="generate", method_kwargs=may_end)

    assert report.total == stated_total


def test_a_generation_without_a_stated_length_is_refused() -> None:
    with pytest.raises(lp.InputError, match=r"how many tokens .*max_new_tokens"):
        lp.count_flops(architecture("gpt2").model(), prompt_of("gpt2"), method="generate")


class Wrapper(nn.Module):
    """A model around a model, which it has generate."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def generate(self, **inputs: object) -> object:
        generate = getattr(self.model, "generate")  # noqa: B009 - torch's types hide it
        return generate(**inputs)


def test_a_generation_inside_a_model_has_to_be_of_stated_length_too(stated_total: int) -> None:
    model, inputs = architecture("gpt2").model(), prompt_of("gpt2")

    with pytest.raises(lp.InputError, match=r"how many tokens .*max_new_tokens"):
        lp.count_flops(Wrapper(model), inputs, method="generate")

    report = lp.count_flops(Wrapper(model), inputs, method="generate", method_kwargs=STATED)
    assert report.total == stated_total


@pytest.mark.parametrize("is_kept", [False, True], ids=["looked up in the step", "kept from before"])
def test_a_generation_in_a_callable_has_to_be_of_stated_length_too(is_kept: bool) -> None:
    model, inputs = architecture("gpt2").model(), prompt_of("gpt2")
    kept = getattr(model, "generate")  # noqa: B009 - torch's types hide it

    with pytest.raises(lp.InputError, match=r"how many tokens .*max_new_tokens"):
        lp.count_flops(model, call=lambda: (kept if is_kept else getattr(model, "generate"))(**inputs))  # noqa: B009


def test_a_length_that_is_stated_by_position_will_do() -> None:
    from transformers import GenerationConfig

    model, ids = architecture("gpt2").model(), prompt_of("gpt2")["input_ids"]
    config = GenerationConfig(max_new_tokens=TOKENS, pad_token_id=0)

    report = lp.count_flops(model, (ids, config), method="generate")

    kwargs = {**STATED, "pad_token_id": 0}
    assert report.total == lp.count_flops(model, (ids,), method="generate", method_kwargs=kwargs).total


def test_the_models_own_stated_length_will_do(stated_total: int) -> None:
    model, inputs = architecture("gpt2").model(), prompt_of("gpt2")
    config = getattr(model, "generation_config")  # noqa: B009 - torch's types hide it

    config.max_new_tokens = TOKENS

    assert lp.count_flops(model, inputs, method="generate").total == stated_total


def test_a_generation_in_a_callable_is_as_long_as_it_may_be(stated_total: int) -> None:
    model, inputs = architecture("gpt2").model(), prompt_of("gpt2")
    generate = getattr(model, "generate")  # noqa: B009 - torch's types hide it

    report = lp.count_flops(model, call=lambda: generate(**inputs, max_new_tokens=TOKENS))

    assert report.total == stated_total


def test_a_prompt_without_mask_and_data_is_refused_with_the_remedy() -> None:
    ids = prompt_of("gpt2")["input_ids"].to("meta")

    with pytest.raises(lp.MeasurementError, match="give ids and masks with data"):
        lp.count_flops(
            architecture("gpt2").model(),
            {"input_ids": ids},
            method="generate",
            method_kwargs={**STATED, "pad_token_id": 0},
        )


def test_a_model_generates_afterwards_as_before() -> None:
    model = architecture("gpt2").model()
    before = [dict(vars(module)) for module in model.modules()]

    lp.count_flops(model, prompt_of("gpt2"), method="generate", method_kwargs=STATED)

    assert [dict(vars(module)) for module in model.modules()] == before


@pytest.mark.parametrize("implementation", ["grouped_mm", "eager"])
@pytest.mark.parametrize("name", EXPERTS)
def test_experts_have_the_flops_of_a_real_run_however_it_computes_them(name: str, implementation: str) -> None:
    one = architecture(name)
    model, inputs = one.model(), one.inputs()
    switch = getattr(model, "set_experts_implementation")  # noqa: B009 - torch's types hide it
    switch(implementation)

    report = lp.count_flops(model, inputs)

    profile = lp.profile(model, inputs, passes=("flops",), warmup=0, repeats=1)
    assert dict(report.by_layer) == {layer.path: layer.flops for layer in profile.layers}


def test_experts_are_computed_afterwards_as_before() -> None:
    model = architecture("mixtral").model()
    implementation = getattr(model, "get_experts_implementation")  # noqa: B009 - torch's types hide it
    before = implementation()

    lp.count_flops(model, architecture("mixtral").inputs())

    assert implementation() == before == {"": "grouped_mm"}


def test_experts_on_another_path_move_other_bytes_which_are_not_claimed() -> None:
    report = lp.count_flops(architecture("mixtral").model(), architecture("mixtral").inputs())

    assert report.bytes_moved is None
    assert "experts" in report.notes[0].text


def test_experts_are_as_before_after_a_step_that_raised() -> None:
    model = architecture("mixtral").model()
    implementation = getattr(model, "get_experts_implementation")  # noqa: B009 - torch's types hide it
    before = implementation()

    with pytest.raises(lp.MeasurementError):
        lp.count_flops(model, {"pixels": torch.ones(1)})

    assert implementation() == before


def test_the_mask_that_was_given_decides_as_in_a_real_run() -> None:
    model, padded = architecture("llama").model(), dict(architecture("llama").inputs())
    whole = {**padded, "attention_mask": torch.ones_like(padded["attention_mask"])}

    counted = [lp.count_flops(model, inputs) for inputs in (padded, whole)]

    profiles = [lp.profile(model, one, passes=("flops",), warmup=0, repeats=1) for one in (padded, whole)]
    assert [report.causal_total for report in counted] == [profile.root.causal_flops for profile in profiles]
    assert counted[1].causal_total < counted[0].causal_total  # without padding it is causal, and no mask is read


def test_gradient_checkpointing_is_counted_with_what_it_computes_again() -> None:
    model, ids = architecture("llama").model(), prompt_of("llama")["input_ids"]
    names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")  # of transformers 5.23, and before
    next(getattr(model, name) for name in names if hasattr(model, name))()

    def step() -> None:
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()

    report = lp.count_flops(model, call=step, train=True)

    profile = lp.profile(model, call=step, train=True, passes=("flops",), warmup=0, repeats=1)
    assert dict(report.by_layer) == {layer.path: layer.flops for layer in profile.layers}


def test_a_generation_that_reads_its_own_tokens_is_refused() -> None:
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    config = WhisperConfig(
        vocab_size=64,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_source_positions=50,
        max_target_positions=32,
        num_mel_bins=8,
        decoder_start_token_id=2,
        pad_token_id=1,
        bos_token_id=2,
        eos_token_id=3,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )

    with pytest.raises(lp.MeasurementError, match=NEEDS_DATA):
        lp.count_flops(
            WhisperForConditionalGeneration(config),
            {"input_features": torch.ones(2, 8, 100)},
            method="generate",
            method_kwargs=STATED,
        )
