"""Options, names of dtypes and devices, and what is in force in a live module."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from layerprof.errors import InputError, UnavailableError
from layerprof.models.base import (
    InputOptions,
    config_label,
    first_line,
    parse_device,
    parse_dtype,
    part_info,
    uncompiled,
)


class WithConfig(nn.Linear):
    """A layer with a config, as transformers' modules have."""

    def __init__(self, **config: object) -> None:
        super().__init__(2, 2)
        self.config = SimpleNamespace(**config)


def compiled(model: nn.Module) -> nn.Module:
    wrapped: object = torch.compile(model, backend="eager")
    assert isinstance(wrapped, nn.Module)
    return wrapped


@pytest.mark.parametrize(
    ("names", "dtype"),
    [
        (("fp32", "float32"), torch.float32),
        (("bf16", "bfloat16"), torch.bfloat16),
        (("fp16", "float16"), torch.float16),
    ],
)
def test_a_dtype_has_a_short_and_a_long_name(names: tuple[str, str], dtype: torch.dtype) -> None:
    assert {parse_dtype(name) for name in names} == {dtype}


def test_an_unknown_dtype_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'int8'; use one of fp32, .*float16"):
        parse_dtype("int8")


@pytest.mark.parametrize("name", ["cpu", "meta"])
def test_devices_that_are_always_there_are_accepted(name: str) -> None:
    assert parse_device(name).type == name


def test_a_device_torch_does_not_know_is_refused() -> None:
    with pytest.raises(InputError, match="no device 'gpu'"):
        parse_device("gpu")


def test_a_device_this_machine_does_not_have_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match=r"'cuda:99' was asked for.*use"):
        parse_device("cuda:99")


@pytest.mark.parametrize("left_out", [{"text_tokens"}, {"max_text_tokens"}, {"max_total_tokens"}])
def test_lengths_of_different_kinds_exclude_each_other(left_out: set[str]) -> None:
    lengths = {"text_tokens": 9, "max_text_tokens": 9, "max_total_tokens": 9}

    with pytest.raises(InputError, match=r"_tokens and .* are given: .*give one of them"):
        InputOptions(**{name: count for name, count in lengths.items() if name not in left_out})


def test_several_dtypes_of_a_part_are_joined() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).half())

    assert part_info("model", "", module).dtype == "float32+float16"


def test_a_part_without_parameters_says_so() -> None:
    part = part_info("model", "", nn.ReLU())

    assert (part.dtype, part.device, part.attention) == ("none", "none", None)


def test_attention_is_read_from_the_parts_own_config() -> None:
    assert part_info("language", "language", WithConfig(_attn_implementation="eager")).attention == "eager"


@pytest.mark.parametrize(
    ("module", "label"),
    [
        (WithConfig(name_or_path="my/model"), "my/model"),
        (WithConfig(name_or_path=""), "WithConfig"),
        (WithConfig(name_or_path=None), "WithConfig"),
        (nn.ReLU(), "ReLU"),
    ],
)
def test_a_label_is_the_configs_name_or_the_class(module: nn.Module, label: str) -> None:
    assert config_label(module) == label


def test_a_compiled_model_is_taken_for_the_one_inside() -> None:
    model = nn.Linear(2, 2)

    assert uncompiled(compiled(model)) is model


def test_a_model_that_was_not_compiled_is_itself() -> None:
    model = nn.Linear(2, 2)

    assert uncompiled(model) is model


def test_an_exception_is_told_in_its_first_line() -> None:
    assert first_line(ValueError("one\ntwo")) == "ValueError: one"


def test_an_exception_without_text_is_told_by_its_class() -> None:
    assert first_line(ValueError()) == "ValueError"
