"""Trained weights, from a folder or the hub, by one code path; what is missing is said in one line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from layerprof.errors import InputError, LayerprofError, UnavailableError
from layerprof.models.base import first_line
from layerprof.models.blip2.base import Preset

if TYPE_CHECKING:
    from transformers import Blip2Config, Blip2ForConditionalGeneration


def checkpoint_source(preset: Preset, weights: str) -> str:
    """The folder or hub id that ``weights`` stands for.

    Raises:
        InputError: when the preset has no published weights, or ``weights`` is no folder.
    """
    if weights != "pretrained":
        if not (Path(weights) / "config.json").is_file():
            raise InputError(
                f"weights={weights!r} is no folder with a config.json; use 'random', 'pretrained', or a folder that "
                f"save_pretrained wrote"
            )
        return weights
    if preset.hub_id is None:
        raise InputError(f"{preset.name} has no published weights; use weights='random' or a folder")
    return preset.hub_id


def checkpoint_label(preset: Preset, weights: str) -> str:
    """What the record calls a model whose weights were read; a folder may hold another geometry than the preset's."""
    return (
        f"{preset.name} (pretrained weights)"
        if weights == "pretrained"
        else f"{Path(weights).name} (weights of a folder)"
    )


def checkpoint_config(source: str) -> Blip2Config:
    """The configuration of a folder or hub id.

    Raises:
        InputError: when it is damaged, or of a model other than BLIP-2 with a decoder-only language model.
        UnavailableError: when a hub id cannot be fetched.
    """
    from transformers import AutoConfig, Blip2Config

    try:
        config = AutoConfig.from_pretrained(source)
    except Exception as err:  # the readers of each file format raise errors of their own
        raise _failure(source, err) from err
    if not isinstance(config, Blip2Config):
        raise InputError(f"{source!r} holds a {type(config).__name__}, which is not BLIP-2's; name another folder")
    if config.text_config.is_encoder_decoder:
        raise InputError(f"the language model of {source!r} is not decoder-only; use a BLIP-2 with OPT")
    return config


def checkpoint_model(source: str, dtype: torch.dtype) -> Blip2ForConditionalGeneration:
    """The model of a folder or hub id, on the CPU.

    Raises:
        InputError: when the weights are damaged, of another shape, or not all there.
        UnavailableError: when a hub id cannot be fetched.
    """
    from transformers import Blip2ForConditionalGeneration

    try:
        model, report = Blip2ForConditionalGeneration.from_pretrained(source, dtype=dtype, output_loading_info=True)
    except Exception as err:  # the readers of each file format raise errors of their own
        raise _failure(source, err) from err
    missing = sorted(report["missing_keys"])
    if missing:  # the library would give them random values and only log it
        raise InputError(f"{source!r} lacks {len(missing)} of the model's tensors, such as {missing[0]!r}")
    return model


def _failure(source: str, err: Exception) -> LayerprofError:
    if Path(source).is_dir():
        return InputError(f"the folder {source!r} could not be read: {first_line(err)}")
    return UnavailableError(
        f"{source!r} could not be fetched ({first_line(err)}); use weights='random', or the folder of a local copy"
    )
