"""Models by name, and the adapter that knows a model."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from layerprof import models
from layerprof.errors import InputError, UnavailableError
from layerprof.models import Blip2Adapter, GenericAdapter


def compiled(model: nn.Module) -> nn.Module:
    wrapped: object = torch.compile(model, backend="eager")
    assert isinstance(wrapped, nn.Module)
    return wrapped


def test_the_presets_are_listed() -> None:
    assert models.PRESETS == ("blip2-tiny", "blip2-opt-2.7b")


def test_a_loaded_model_is_in_eval_mode() -> None:
    assert not models.load("blip2-tiny", device="meta").training


def test_a_loaded_model_finds_its_adapter() -> None:
    model = models.load("blip2-tiny", device="meta")

    assert isinstance(models.adapter_for(model), Blip2Adapter)


def test_a_compiled_model_finds_the_adapter_of_the_one_inside() -> None:
    model = compiled(models.load("blip2-tiny", device="meta"))

    assert isinstance(models.adapter_for(model), Blip2Adapter)


def test_any_other_module_gets_the_generic_adapter() -> None:
    assert isinstance(models.adapter_for(nn.Linear(2, 2)), GenericAdapter)


def test_a_name_with_a_colon_is_the_generic_adapters() -> None:
    assert isinstance(models.adapter_named("package.module:build"), GenericAdapter)


@pytest.mark.parametrize(
    ("name", "presets"),
    [
        ("blip2-tniy", "blip2-tiny, blip2-opt-2.7b"),
        ("Salesforce/blip2-opt-2.7b", "blip2-opt-2.7b, blip2-tiny"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_first(name: str, presets: str) -> None:
    with pytest.raises(InputError, match=f"the presets are {presets}, any other is package.module:callable"):
        models.load(name)


def test_a_device_that_is_not_there_is_told_before_anything_is_built() -> None:
    with pytest.raises(UnavailableError, match="cuda:99"):
        models.load("blip2-opt-2.7b", device="cuda:99")
