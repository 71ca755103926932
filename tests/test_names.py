"""The names that are checked without torch are those that torch and the models have."""

from __future__ import annotations

import re

import pytest
import torch

import layerprof as lp
from layerprof import models, names
from layerprof.models.base import DTYPES, parse_device, parse_dtype
from layerprof.models.blip2 import PRESETS


def test_the_presets_and_their_formats_are_those_of_the_models() -> None:
    assert dict(names.DTYPE_OF_PRESET) == {name: preset.dtype for name, preset in PRESETS.items()}
    assert tuple(names.DTYPE_OF_PRESET) == models.PRESETS


def test_the_formats_are_those_of_the_models() -> None:
    assert {name: f"torch.{long}" for name, long in names.DTYPES.items()} == {k: str(v) for k, v in DTYPES.items()}


def test_the_kinds_of_device_are_those_of_torch() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.device("abacus")

    listed = re.search("Expected one of (.*) device type", str(caught.value))
    assert listed is not None
    assert tuple(listed[1].split(", ")) == names.DEVICE_KINDS


@pytest.mark.parametrize("name", ["cpu", "cpu:0", "cuda", "cuda:0", "cuda:12", "meta"])
def test_a_device_that_torch_can_name_is_known(name: str) -> None:
    torch.device(name)

    names.require_device(name)


@pytest.mark.parametrize("name", ["abacus", "cuda:-1", "cuda:01", "cuda:x", "cuda:", "", "CPU"])
def test_a_device_that_torch_cannot_name_is_refused_in_the_same_words(name: str) -> None:
    with pytest.raises(lp.InputError) as by_torch:
        parse_device(name)

    with pytest.raises(lp.InputError) as by_name:
        names.require_device(name)

    assert str(by_name.value) == str(by_torch.value)


def test_an_unknown_format_is_refused_in_the_same_words() -> None:
    with pytest.raises(lp.InputError) as by_torch:
        parse_dtype("int3")

    with pytest.raises(lp.InputError) as by_name:
        names.require_dtype("int3")

    assert str(by_name.value) == str(by_torch.value)


def test_an_unknown_model_is_refused_in_the_same_words() -> None:
    with pytest.raises(lp.InputError) as by_adapter:
        models.adapter_named("blip2-small")

    with pytest.raises(lp.InputError) as by_name:
        names.require_model("blip2-small")

    assert str(by_name.value) == str(by_adapter.value)


def test_a_model_of_ones_own_has_any_name_with_a_colon() -> None:
    names.require_model("package.module:build")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "__main__:build",
            "'__main__:build' is in the program itself, which no other process imports; put it into a file",
        ),
        (
            "profile:build",
            "'profile' is a module of Python's standard library, which may be found in the place of yours",
        ),
        ("json.mine:build", "'json' is a module of Python's standard library"),
    ],
)
def test_a_module_that_other_processes_would_not_find_is_refused(name: str, message: str) -> None:
    with pytest.raises(lp.InputError, match=re.escape(message)):
        names.require_model(name)


@pytest.mark.parametrize(
    ("name", "short"), [("bfloat16", "bf16"), ("float32", "fp32"), ("fp16", "fp16"), ("int3", "int3")]
)
def test_a_format_has_one_short_name(name: str, short: str) -> None:
    assert names.short_dtype(name) == short


def test_every_format_has_a_short_name_that_stands_for_it() -> None:
    assert {names.DTYPES[names.short_dtype(name)] for name in names.DTYPES} == set(names.DTYPES.values())
    assert all(names.DTYPES[names.short_dtype(name)] == long for name, long in names.DTYPES.items())
