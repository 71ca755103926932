"""Which of several choices an answer takes, and whether it is the right one.

An answer is read in this order, and the first reading that fits decides:

    1. a letter at its beginning: ``B``, ``B.``, ``(B)``, ``b) …``, ``B because …``, ``B or C`` (two letters: wrong)
    2. the text of a choice, and nothing else
    3. the number that the data set gives the right choice, and nothing else

A letter with nothing but another choice's text after it, as in ``B. red`` where red is A, takes neither and is wrong.

A letter counts where it stands alone: at the end, before one of ``. ) ] : , ; /``, before a dash, or before ``or`` or
``and``. At the beginning a capital one before any other word counts too, but for ``A`` and ``I``, which are words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase

from layerprof.errors import InputError
from layerprof.quality.base import normalised

_ALONE = r"(?=\s*(?:$|[.)\]:,;/])|\s+[-\u2013\u2014]|\s+(?:or|and|OR|AND)\b)"
_MENTION = re.compile(rf"(?<![\w'\u2019-])[(\[]?(?P<letter>[A-Za-z]){_ALONE}")
_CAPITAL = re.compile(r"(?P<letter>[B-HJ-Z])(?=\s)")


def choice_accuracy(answer: str, references: Sequence[str], choices: Sequence[str]) -> float | None:
    """1 where the answer takes the right choice, else 0; None where the data set holds the right one back.

    Args:
        answer: of the model.
        references: the right choice's letter, its text and its number; the latter two may be missing. None of them has
            text where the right one is not known.
        choices: texts of all of them, in the order of the letters.

    Raises:
        InputError: where there are no choices, or the right letter is none of theirs.
    """
    if not any(reference.strip() for reference in references):
        return None
    letters = ascii_uppercase[: len(choices)]
    right = references[0].strip().upper()
    if len(choices) > len(letters) or len(right) != 1 or right not in letters:
        raise InputError(
            f"an answer to {len(choices)} choices is scored against the right one's letter, of 26 at most; found "
            f"{right!r} as the first reference; give that letter, or score by exact_match"
        )
    texts = dict(zip(letters, map(normalised, choices), strict=True))
    taken = _by_letter(answer.strip(), texts)
    if taken is None:
        taken = _by_text(normalised(answer), texts, right)
    if taken is None and len(references) > 2 and normalised(references[2]):
        return float(normalised(answer) == normalised(references[2]))
    return float(taken == right)


def _by_letter(answer: str, texts: dict[str, str]) -> str | None:
    """The letter that the answer begins with; None where it begins with none.

    It is "" where the answer names several letters, or goes on with another choice's text.
    """
    first = _MENTION.match(answer) or _CAPITAL.match(answer)
    if first is None or first["letter"].upper() not in texts:
        return None
    letter, rest = first["letter"].upper(), answer[first.end() :]
    if normalised(rest) == texts[letter]:  # whatever letters the text has in it, such as those of vitamin C
        return letter
    if normalised(rest) and normalised(rest) in texts.values():
        return ""
    named = {letter, *(other["letter"].upper() for other in _MENTION.finditer(rest))} & texts.keys()
    return letter if len(named) == 1 else ""


def _by_text(answer: str, texts: dict[str, str], right: str) -> str | None:
    """The choice with this text, the right one if several have it; None where none has."""
    taken = [letter for letter, text in texts.items() if text and text == answer]
    return right if right in taken else next(iter(taken), None)
