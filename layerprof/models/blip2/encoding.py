"""Prompts to token ids: the picture's tokens first, then the text, padded on the left and cut in its middle.

    [<image> × 32] [pad … pad] [begin] context| head body| tail
                                    cut first ^      then ^

The order is that of the library's own processor. Padding on the right, or cutting from the right as it does, gives
wrong answers: the model continues what stands last, which would be padding, or a prompt without its cue.

Limits:
    What is cut is counted in tokens of the parts taken apart, which is how a byte-level BPE takes them
    together, since it never joins across a space.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from layerprof.errors import InputError
from layerprof.models.base import InputOptions, PromptReport
from layerprof.records import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLength:
    """How long a text may be.

    Attributes:
        limit: tokens at most, a beginning token included; None is no limit.
        is_fixed: whether a shorter text is padded up to the limit.
    """

    limit: int | None
    is_fixed: bool = False


def text_length(options: InputOptions, *, image_tokens: int) -> TextLength:
    """The length that the options ask of the text alone.

    Args:
        options: of which one length at most is set.
        image_tokens: that stand before the text of each sample.

    Raises:
        InputError: when the picture's tokens leave no room for a text.
    """
    if options.text_tokens is not None:
        return TextLength(limit=options.text_tokens, is_fixed=True)
    if options.max_total_tokens is None:
        return TextLength(limit=options.max_text_tokens)
    if options.max_total_tokens <= image_tokens:
        raise InputError(
            f"{options.max_total_tokens} tokens altogether leave no room for a text: the picture alone takes "
            f"{image_tokens}; ask for more"
        )
    return TextLength(limit=options.max_total_tokens - image_tokens)


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt], length: TextLength
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask of the prompts' text, padded on the left to one length.

    Args:
        tokenizer: of the model.
        prompts: at least one.
        length: of the texts.

    Raises:
        InputError: when the length asked for does not hold a prompt's head and tail.

    Shape:
        ids, mask: (prompts, text tokens), int64.
    """
    rows = [text_ids(tokenizer, prompt, limit=length.limit) for prompt in prompts]
    width = length.limit if length.is_fixed and length.limit is not None else max(map(len, rows))
    pad_id = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    ids = [[pad_id] * (width - len(row)) + row for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids), torch.tensor(mask)


def report_on(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, *, limit: int | None) -> PromptReport:
    """What is left of a prompt within ``limit`` tokens.

    Raises:
        InputError: when ``limit`` does not hold its head and tail.
    """
    whole, left = (text_ids(tokenizer, prompt, limit=bound) for bound in (None, limit))
    text = tokenizer.decode(left, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return PromptReport(text=str(text), text_tokens=len(left), cut_tokens=len(whole) - len(left))


def text_ids(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, *, limit: int | None) -> list[int]:
    """The ids of a prompt's text; beyond ``limit`` tokens the end of its context is cut, then that of its body.

    Raises:
        InputError: when ``limit`` does not hold its head and tail.
    """
    whole: list[int] = tokenizer(prompt.text)["input_ids"]
    if limit is None or len(whole) <= limit:
        return whole
    begin = whole[: len(whole) - len(_bare_ids(tokenizer, prompt.text))]
    context, head, body, tail = (_bare_ids(tokenizer, part) for part in _spaced_parts(prompt))
    if context:
        rest = head + body + tail
        room = limit - len(begin) - len(rest)
        if room > 0:
            return begin + context[:room] + rest
        return text_ids(tokenizer, dataclasses.replace(prompt, context=""), limit=limit)  # no space before its head
    room = limit - len(begin) - len(head) - len(tail)
    if room < 0:
        raise InputError(
            f"{limit} text tokens do not hold the prompt's head and cue ({prompt.head!r} … {prompt.tail!r}); "
            f"it takes at least {limit - room}"
        )
    return begin + head + body[:room] + tail


def _bare_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _spaced_parts(prompt: Prompt) -> tuple[str, ...]:
    """Context, head, body and tail, each with the space that `Prompt.text` puts before it."""
    parts = (prompt.context, prompt.head, prompt.body, prompt.tail)
    return tuple(f" {part}" if part and any(parts[:index]) else part for index, part in enumerate(parts))


def with_image_tokens(
    ids: torch.Tensor, mask: torch.Tensor, *, image_token_id: int, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The text's ids and mask with ``count`` image tokens before each sample.

    Shape:
        ids, mask: (samples, text tokens) -> (samples, count + text tokens).
    """
    images = torch.full((len(ids), count), image_token_id)
    return torch.cat([images, ids], dim=1), torch.cat([torch.ones_like(images), mask], dim=1)


def require_positions(mask: torch.Tensor, *, limit: int, new_tokens: int = 0) -> None:
    """Returns where no sample has more tokens, padding left out, than the language model has positions for.

    Args:
        mask: of the tokens that are there.
        limit: of positions.
        new_tokens: that a generation will add.

    Raises:
        InputError: when one has.

    Shape:
        mask: (samples, tokens).
    """
    longest = int(mask.sum(dim=1).max())
    if longest + new_tokens > limit:
        more = f" and {new_tokens} new ones" if new_tokens else ""
        raise InputError(
            f"a sample has {longest} tokens{more}, image tokens included, and the model holds {limit}; limit the "
            f"text, or the new tokens"
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
