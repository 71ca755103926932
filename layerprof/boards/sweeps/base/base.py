"""Values of settings: as words that tell any two of them apart, and which of them are numbers for TensorBoard."""

from __future__ import annotations

from contextlib import suppress
from typing import TypeGuard

from layerprof.boards.base import label
from layerprof.records import AxisValue

Setting = bool | float | str
"""A value on the HParams page."""

_NONE = "none"  # of a setting that is left to the model, or that a cell does not have
_WORDS_OF_OTHERS = frozenset({_NONE, "True", "False"})
_MOST_EXACT = 2**53  # whole numbers beyond it are rounded as float64, which pages and their filters count in


def value_text(value: AxisValue) -> str:
    """A setting's value in a name or a table; a text that could be taken for another value is in quotes."""
    if value is None:
        return _NONE
    return label(repr(value) if isinstance(value, str) and _is_mistakable(value) else str(value))


def _is_mistakable(text: str) -> bool:
    """Whether a value that is no text, or a text in quotes or with escapes, reads the same."""
    if not text or text in _WORDS_OF_OTHERS or text[0] in "'\"" or not text.isprintable():
        return True
    with suppress(ValueError):
        float(text)
        return True
    return False


def is_number(value: AxisValue) -> TypeGuard[float]:
    """Whether the value is a number that the pages show as it is."""
    if isinstance(value, bool):
        return False
    return isinstance(value, float) or (isinstance(value, int) and abs(value) <= _MOST_EXACT)
