"""Prompts to token ids: the picture's tokens first, then the text, padded on the left and cut in its middle.

    [<image> × 32] [pad … pad] [begin] head body| tail
                                           cut ^

The order is that of the library's own processor. Padding on the right, or cutting from the right as it does, gives
wrong answers: the model continues what stands last, which would be padding, or a prompt without its cue.

Limits:
    What is cut is counted in tokens of head, body and tail taken apart, which is how a byte-level BPE takes them
    together, since it never joins across a space.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from layerprof.errors import InputError
from layerprof.models.base import InputOptions
from layerprof.records import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt], options: InputOptions
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask of the prompts' text, padded on the left to one length.

    Args:
        tokenizer: of the model.
        prompts: at least one.
        options: whose ``text_tokens`` fixes the length, or whose ``max_text_tokens`` limits it.

    Raises:
        InputError: when the length asked for does not hold a prompt's head and tail.

    Shape:
        ids, mask: (prompts, text tokens), int64.
    """
    limit = options.max_text_tokens if options.text_tokens is None else options.text_tokens
    rows = [text_ids(tokenizer, prompt, limit=limit) for prompt in prompts]
    width = max(map(len, rows)) if options.text_tokens is None else options.text_tokens
    pad_id = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    ids = [[pad_id] * (width - len(row)) + row for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids), torch.tensor(mask)


def text_ids(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, *, limit: int | None) -> list[int]:
    """The ids of a prompt's text, with the end of its body cut where it has more than ``limit`` tokens.

    Raises:
        InputError: when ``limit`` does not hold its head and tail.
    """
    whole: list[int] = tokenizer(prompt.text)["input_ids"]
    if limit is None or len(whole) <= limit:
        return whole
    head, body, tail = (_bare_ids(tokenizer, part) for part in _spaced_parts(prompt))
    head = whole[: len(whole) - len(_bare_ids(tokenizer, prompt.text))] + head  # the beginning token
    room = limit - len(head) - len(tail)
    if room < 0:
        raise InputError(
            f"{limit} text tokens do not hold the prompt's head and cue ({prompt.head!r} … {prompt.tail!r}); "
            f"it takes at least {len(head) + len(tail)}"
        )
    return head + body[:room] + tail


def _bare_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _spaced_parts(prompt: Prompt) -> tuple[str, str, str]:
    """Head, body and tail, each with the space that `Prompt.text` puts before it."""
    body = f" {prompt.body}" if prompt.head and prompt.body else prompt.body
    tail = f" {prompt.tail}" if (prompt.head or prompt.body) and prompt.tail else prompt.tail
    return prompt.head, body, tail


def with_image_tokens(
    ids: torch.Tensor, mask: torch.Tensor, *, image_token_id: int, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The text's ids and mask with ``count`` image tokens before each sample.

    Shape:
        ids, mask: (samples, text tokens) -> (samples, count + text tokens).
    """
    images = torch.full((len(ids), count), image_token_id)
    return torch.cat([images, ids], dim=1), torch.cat([torch.ones_like(images), mask], dim=1)


def require_positions(mask: torch.Tensor, *, limit: int) -> None:
    """Returns where no sample has more tokens, padding left out, than the language model has positions for.

    Raises:
        InputError: when one has.

    Shape:
        mask: (samples, tokens).
    """
    longest = int(mask.sum(dim=1).max())
    if longest > limit:
        raise InputError(
            f"a sample has {longest} tokens, image tokens included, and the model holds {limit}; limit text_tokens"
        )


def require_image_tokens(ids: torch.Tensor, *, image_token_id: int | None, count: int) -> None:
    """Returns where each sample has as many image tokens as the model will fill.

    Raises:
        InputError: when one has not: the model would ignore the picture, or part of it, without a word.

    Shape:
        ids: (samples, tokens).
    """
    if image_token_id is None:
        raise InputError("the model's config has no image_token_index; without it the picture is ignored: set it")
    found = (ids == image_token_id).sum(dim=1).tolist()
    wrong = next((index for index, number in enumerate(found) if number != count), None)
    if wrong is not None:
        raise InputError(
            f"sample {wrong} has {found[wrong]} image tokens (id {image_token_id}) and the model fills {count}; "
            f"use the tokenizer that belongs to the model, and no <image> in the text"
        )
