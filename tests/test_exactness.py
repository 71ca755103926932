"""FLOPs of real architectures equal a count at the level of torch functions to the last one, forward and backward."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from architectures import ALL_ARCHITECTURES, FAMILIES, Architecture, Family, Mode
from function_counter import FunctionCounter, training_step
from torch import nn

import layerprof as lp

FAST = ("bert", "t5", "llama", "resnet", "whisper", "llava", "mixtral", "mamba2", "fnet")  # of each sort, some
FAST_TRAINING = ("bert", "resnet", "mixtral")
SDPA = "scaled_dot_product_attention"


@dataclass(frozen=True, slots=True)
class Case:
    """An architecture in one mode."""

    architecture: Architecture
    mode: Mode

    @property
    def is_fast(self) -> bool:
        """Whether it is among those that every run takes; all of them together are slow."""
        one = self.architecture
        is_first = one.attention == one.family.attentions[0]
        return is_first and one.name in (FAST if self.mode == "eval" else FAST_TRAINING)

    def model(self) -> nn.Module:
        """In its mode."""
        return self.architecture.model().train(self.mode == "train")

    def step(self, model: nn.Module) -> Callable[[], object]:
        """One forward, and in train mode its backward."""
        inputs = self.architecture.inputs()
        return training_step(model, inputs) if self.mode == "train" else lambda: model(**inputs)


WITH_A_CHOICE = [family for family in FAMILIES if family.attentions[0] is not None]
CASES = [Case(one, mode) for one in ALL_ARCHITECTURES for mode in one.family.modes]


def _param(case: Case) -> object:
    marks = [] if case.is_fast else [pytest.mark.slow]
    return pytest.param(case, id=f"{case.architecture.id}-{case.mode}", marks=marks)


@pytest.fixture(scope="module", params=map(_param, CASES))
def case(request: pytest.FixtureRequest) -> Case:
    made: Case = request.param
    return made


def counted(case: Case, model: nn.Module | None = None) -> FunctionCounter:
    """One step of this model, or of a new one, without our code."""
    counter = FunctionCounter()
    step = case.step(case.model() if model is None else model)
    with torch.set_grad_enabled(case.mode == "train"), counter:
        step()
    return counter


@pytest.fixture(scope="module")
def expected(case: Case) -> FunctionCounter:
    return counted(case)


@pytest.fixture
def quiet() -> Iterator[None]:
    """Without what torch logs when a model cannot run on fakes, before the error is ours."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def test_a_real_run_counts_the_same(case: Case, expected: FunctionCounter) -> None:
    model = case.model()

    profile = lp.profile(
        model, call=case.step(model), train=case.mode == "train", passes=("flops",), warmup=0, repeats=1
    )

    assert profile.uncounted == ()
    assert profile.step_flops == expected.flops > 0


@pytest.mark.usefixtures("quiet")
def test_fakes_count_the_same_and_leave_the_model_alone_or_say_that_the_course_depends_on_data(
    case: Case, expected: FunctionCounter
) -> None:
    model = case.model()

    if case.mode in case.architecture.family.asks_for_data:
        with pytest.raises(lp.MeasurementError, match="cannot be counted on fake tensors"):
            lp.count_flops(model, call=case.step(model), train=case.mode == "train")
        return
    report = lp.count_flops(model, call=case.step(model), train=case.mode == "train")

    assert report.uncounted == ()
    assert report.total == expected.flops
    assert counted(case, model).forward == expected.forward, "a model that was counted does the same afterwards"


def test_the_attention_asked_for_is_what_runs(case: Case, expected: FunctionCounter) -> None:
    if case.architecture.attention is not None:
        assert (SDPA in expected.forward) == (case.architecture.attention == "sdpa")


def test_a_backward_is_counted_in_train_mode_alone(case: Case, expected: FunctionCounter) -> None:
    assert (expected.backward.total() > 0) == (case.mode == "train")


@pytest.mark.slow
@pytest.mark.parametrize("family", WITH_A_CHOICE, ids=lambda family: family.name)
def test_a_class_that_is_not_told_takes_the_first_attention(family: Family) -> None:
    left_alone, told = (Architecture(family=family, attention=one) for one in (None, family.attentions[0]))

    assert counted(Case(left_alone, "eval")).forward == counted(Case(told, "eval")).forward


def test_there_are_enough_families_of_every_kind() -> None:
    kinds = [family.kind for family in FAMILIES]

    assert len(FAMILIES) == len({family.name for family in FAMILIES}) >= 45
    assert {kind: kinds.count(kind) >= 4 for kind in kinds} == dict.fromkeys(
        ("text", "vision", "audio", "multimodal", "experts", "states"), True
    )
