"""What every `ModelAdapter` promises, run on each of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from layerprof.errors import InputError, LayerprofError
from layerprof.models import (
    Blip2Adapter,
    GenericAdapter,
    InputOptions,
    LoadOptions,
    ModelAdapter,
)
from layerprof.records import Prompt

PROMPT = Prompt(head="Question:", body="what is this?", tail="Answer:")
MODULE = "contract_model"
SOURCE = "from torch import nn\ndef build():\n    return nn.Sequential(nn.Linear(4, 4), nn.ReLU())\n"


@dataclass(frozen=True)
class Case:
    """An adapter and a name that it loads."""

    adapter: ModelAdapter
    name: str


CASES = {"blip2": Case(Blip2Adapter(), "blip2-tiny"), "generic": Case(GenericAdapter(), f"{MODULE}:build")}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    (tmp_path / f"{MODULE}.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    yield CASES[request.param]


def compiled(model: nn.Module) -> nn.Module:
    wrapped: object = torch.compile(model, backend="eager")
    assert isinstance(wrapped, nn.Module)
    return wrapped


def weights(case: Case, *, seed: int) -> list[torch.Tensor]:
    return list(case.adapter.load(case.name, LoadOptions(seed=seed)).parameters())


def test_the_same_seed_gives_the_same_weights(case: Case) -> None:
    assert all(map(torch.equal, weights(case, seed=3), weights(case, seed=3)))


def test_another_seed_gives_other_weights(case: Case) -> None:
    assert not all(map(torch.equal, weights(case, seed=3), weights(case, seed=4)))


def test_loading_leaves_the_global_random_state_as_it_was(case: Case) -> None:
    before = torch.get_rng_state(), random.getstate()

    case.adapter.load(case.name, LoadOptions())

    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


def test_the_dtype_asked_for_is_described_as_in_force(case: Case) -> None:
    model = case.adapter.load(case.name, LoadOptions(dtype="bf16"))

    assert {part.dtype for part in case.adapter.describe(model).parts} <= {"bfloat16", "none"}


def test_parts_are_at_the_paths_they_name(case: Case) -> None:
    model = case.adapter.load(case.name, LoadOptions())

    assert all(model.get_submodule(part.path) for part in case.adapter.describe(model).parts)


def test_a_compiled_model_is_described_as_the_one_inside(case: Case) -> None:
    model = case.adapter.load(case.name, LoadOptions())

    assert case.adapter.describe(compiled(model)) == case.adapter.describe(model)


def test_an_unknown_name_is_refused(case: Case) -> None:
    with pytest.raises(InputError):
        case.adapter.load("no-such-model", LoadOptions())


def test_an_unknown_dtype_is_refused(case: Case) -> None:
    with pytest.raises(InputError, match="no dtype 'int3'"):
        case.adapter.load(case.name, LoadOptions(dtype="int3"))


def test_weights_that_are_not_there_are_refused_in_one_line(case: Case) -> None:
    with pytest.raises(LayerprofError) as caught:
        case.adapter.load(case.name, LoadOptions(weights="no/such/folder"))

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("images", "prompts"), [(0, 0), (1, 2), (2, 1)])
def test_inputs_without_a_picture_and_a_prompt_each_are_refused(case: Case, images: int, prompts: int) -> None:
    model = case.adapter.load(case.name, LoadOptions())
    pictures = [Image.new("RGB", (8, 8))] * images

    with pytest.raises(InputError):
        case.adapter.inputs(model, pictures, [PROMPT] * prompts, InputOptions())
