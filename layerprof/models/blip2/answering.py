"""What a BLIP-2 model says to pictures and prompts: the new tokens alone, by greedy generation with a natural stop.

``generate`` gives the prompt back before its answer, and pads answers that ended early to the longest of the batch:

    <image> × 32 │ padding │ prompt │ answer │ end, padding
                                     └──────┘ is decoded
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from layerprof.errors import InputError, MeasurementError
from layerprof.models.base import GivenAnswer, uncompiled
from layerprof.models.blip2.base import config_of

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedTokenizerBase


def given_answers(
    model: nn.Module, inputs: Mapping[str, object], *, tokenizer: PreTrainedTokenizerBase, max_new_tokens: int
) -> tuple[GivenAnswer, ...]:
    """The answers of one batch.

    Args:
        model: compiled or not; in eval mode.
        inputs: as `Blip2Adapter.inputs` makes them.
        tokenizer: of the model.
        max_new_tokens: at which an answer is cut off.

    Raises:
        InputError: when the inputs have no ``input_ids``.
        MeasurementError: when what comes back does not begin with the prompt, as the library has it: then the new
            tokens cannot be told from it.
    """
    ids = inputs.get("input_ids")
    if not isinstance(ids, torch.Tensor):
        raise InputError("a model answers to prompts, and the inputs have no input_ids; make them by Blip2Adapter")
    generate = getattr(model, "generate")  # noqa: B009  # torch's types take it for a tensor or a module
    with torch.no_grad():
        whole = generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False, num_beams=1)
    length = ids.shape[1]
    if whole.shape[1] < length or not torch.equal(whole[:, :length], ids):
        raise MeasurementError(
            "generate did not give the prompt back before its answer, so the new tokens cannot be told; use a version "
            "of transformers that layerprof was tested with"
        )
    ends = _end_ids(uncompiled(model))
    rows = [_until_end(row, ends) for row in whole[:, length:].tolist()]
    return tuple(
        GivenAnswer(text=str(tokenizer.decode(row, skip_special_tokens=True)).strip(), new_tokens=len(row))
        for row in rows
    )


def _end_ids(model: nn.Module) -> frozenset[int]:
    """The ids that end an answer: those of the generation's own settings, else of the language model."""
    settings = getattr(model, "generation_config", None)
    found = getattr(settings, "eos_token_id", None)
    if found is None:
        found = config_of(model).text_config.eos_token_id
    return frozenset(found if isinstance(found, list | tuple) else () if found is None else (found,))


def _until_end(ids: list[int], ends: frozenset[int]) -> list[int]:
    """The ids before the first that ends the answer; padding comes after it."""
    stop = next((place for place, token in enumerate(ids) if token in ends), len(ids))
    return ids[:stop]
