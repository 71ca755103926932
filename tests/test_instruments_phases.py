"""What begins a phase: calls of the parts, the language model's first and later ones, an optimizer's step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim import optimizer

from layerprof.instruments import GenerationPhases, TrainingPhases
from layerprof.testing import CaptioningNet, LayerFailedError, OptimizerNet, ReentrantCheckpointNet

VISION, PREFILL, DECODE = 0, 1, 2
FORWARD, OPTIMIZER = 0, 2


class Told:
    """Writes down which phases began."""

    def __init__(self) -> None:
        self.phases: list[int] = []

    def phase(self, index: int) -> None:
        self.phases.append(index)


class Held:
    """A cache that says how much it holds."""

    def __init__(self, length: int) -> None:
        self._length = length

    def get_seq_length(self) -> int:
        return self._length


class Model(nn.Module):
    """Takes whatever a language model may be given."""

    def __init__(self) -> None:
        super().__init__()
        self.vision, self.language, self.embed = nn.Identity(), Anything(), nn.Identity()


class Anything(nn.Module):
    """Returns nothing."""

    def forward(self, *args: object, **kwargs: object) -> None:
        return None


def watch_of(model: Model) -> GenerationPhases:
    return GenerationPhases([(model.vision, VISION)], language=model.language, early=[model.embed], count=3)


def phases_of(step: Callable[[Model], object]) -> tuple[list[int], list[int]]:
    """Which phases began, and how often each ran."""
    model, told = Model(), Told()
    watch = watch_of(model)
    with watch.installed(told):
        step(model)
    return told.phases, watch.steps


def ids(length: int) -> torch.Tensor:
    return torch.zeros(1, length, dtype=torch.long)


def embeddings(length: int) -> torch.Tensor:
    return torch.zeros(1, length, 4)


def test_the_first_call_of_the_language_model_is_the_prefill_and_single_tokens_decode() -> None:
    def step(model: Model) -> None:
        model.language(input_ids=ids(5))
        for _ in range(3):
            model.language(input_ids=ids(1))

    assert phases_of(step) == ([PREFILL, DECODE], [0, 1, 3])


def test_a_prompt_of_one_token_is_a_prefill() -> None:
    assert phases_of(lambda model: model.language(input_ids=ids(1))) == ([PREFILL], [0, 1, 0])


def test_without_a_cache_a_query_longer_by_one_decodes() -> None:
    def step(model: Model) -> None:
        for length in (5, 6, 7):
            model.language(input_ids=ids(length))

    assert phases_of(step) == ([PREFILL, DECODE], [0, 1, 2])


def test_several_tokens_on_a_cache_that_holds_some_decode() -> None:
    def step(model: Model) -> None:
        model.language(input_ids=ids(5), past_key_values=Held(0))
        model.language(input_ids=ids(3), past_key_values=Held(5))

    assert phases_of(step) == ([PREFILL, DECODE], [0, 1, 1])


@pytest.mark.parametrize("cache", [Held(0), object(), ((ids(1),),)])
def test_several_tokens_on_a_cache_that_holds_none_begin_a_sequence(cache: object) -> None:
    def step(model: Model) -> None:
        model.language(input_ids=ids(5), past_key_values=cache)
        model.language(input_ids=ids(6), past_key_values=cache)

    assert phases_of(step) == ([PREFILL], [0, 2, 0])


def test_another_prompt_begins_a_second_sequence() -> None:
    def step(model: Model) -> None:
        for length in (5, 1, 5, 1, 1):
            model.language(input_ids=ids(length))

    assert phases_of(step) == ([PREFILL, DECODE, PREFILL, DECODE], [0, 2, 3])


def test_a_picture_begins_another_sequence_even_where_the_prompt_is_one_token() -> None:
    def step(model: Model) -> None:
        for _ in range(2):
            model.vision(ids(1))
            model.language(input_ids=ids(1))

    assert phases_of(step) == ([VISION, PREFILL, VISION, PREFILL], [2, 2, 0])


def test_two_calls_of_a_part_in_a_row_are_one_phase() -> None:
    def step(model: Model) -> None:
        model.vision(ids(1))
        model.vision(ids(1))

    assert phases_of(step) == ([VISION], [1, 0, 0])


def test_an_early_layer_belongs_to_the_prefill_and_later_to_the_phase_it_is_in() -> None:
    def step(model: Model) -> None:
        model.vision(ids(1))
        model.embed(ids(5))
        model.language(inputs_embeds=embeddings(5))
        model.language(inputs_embeds=embeddings(1))
        model.embed(ids(1))
        model.language(inputs_embeds=embeddings(1))

    assert phases_of(step) == ([VISION, PREFILL, DECODE], [1, 1, 2])


@pytest.mark.parametrize(
    "call",
    [
        lambda model, length: model.language(ids(length)),
        lambda model, length: model.language(inputs_embeds=embeddings(length)),
        lambda model, length: model.language(input_ids=None, inputs_embeds=embeddings(length)),
        lambda model, length: model.language(
            input_ids=ids(9), decoder_input_ids=None, inputs_embeds=embeddings(length)
        ),
        lambda model, length: model.language(attention_mask=ids(9), decoder_input_ids=ids(length)),
        lambda model, length: model.language(None, ids(length)),
    ],
)
def test_the_query_is_found_however_it_is_passed(call: Callable[[Model, int], object]) -> None:
    def step(model: Model) -> None:
        call(model, 5)
        call(model, 1)

    assert phases_of(step) == ([PREFILL, DECODE], [0, 1, 1])


def test_a_call_without_tensors_is_a_prefill_and_nothing_more() -> None:
    assert phases_of(lambda model: (model.language(), model.language("text"))) == ([PREFILL], [0, 2, 0])


def test_a_second_block_begins_anew() -> None:
    model, told = Model(), Told()
    watch = watch_of(model)

    for _ in range(2):
        with watch.installed(told):
            model.language(input_ids=ids(1))

    assert told.phases == [PREFILL, PREFILL]
    assert watch.steps == [0, 1, 0]


@pytest.mark.parametrize("should_fail", [False, True])
def test_no_hook_of_a_generation_is_left(should_fail: bool) -> None:
    model = Model()

    with pytest.raises(LayerFailedError) if should_fail else watch_of(model).installed(Told()):
        if should_fail:
            with watch_of(model).installed(Told()):
                raise LayerFailedError
        model.language(input_ids=ids(1))

    assert [module for module in model.modules() if module._forward_pre_hooks] == []


def test_a_phase_begins_before_the_hooks_of_the_user() -> None:
    net, seen = CaptioningNet(), list[list[int]]()
    told = Told()
    net.vision.register_forward_pre_hook(lambda *_: seen.append(list(told.phases)), prepend=True)
    watch = GenerationPhases([(net.vision, VISION)], language=None, count=3)

    with watch.installed(told):
        net.step()

    assert seen == [[VISION]]


def test_training_begins_with_each_call_of_the_root_and_each_step_of_an_optimizer() -> None:
    net, told = OptimizerNet(), Told()
    watch = TrainingPhases(net)

    with watch.installed(told):
        net.loss()
        net.loss().backward()
        net.optimizer.step()

    assert told.phases == [FORWARD, FORWARD, OPTIMIZER]
    assert watch.steps == [2, 0, 1]


def test_recomputation_of_the_root_begins_no_forward() -> None:
    net, told = ReentrantCheckpointNet(), Told()
    watch = TrainingPhases(net.block)

    with watch.installed(told):
        net.step()

    assert told.phases == [FORWARD]
    assert watch.steps == [1, 0, 0]


@pytest.mark.parametrize("should_fail", [False, True])
def test_no_hook_of_training_is_left(should_fail: bool) -> None:
    net = OptimizerNet()

    with pytest.raises(LayerFailedError) if should_fail else TrainingPhases(net).installed(Told()):
        if should_fail:
            with TrainingPhases(net).installed(Told()):
                raise LayerFailedError
        net.step()

    assert not net._forward_pre_hooks
    assert not optimizer._global_optimizer_pre_hooks
