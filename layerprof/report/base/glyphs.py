"""Names in scripts that the plots' font lacks: drawn as boxes, without a warning for every letter."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_MISSING = r"Glyph \d+ .* missing from font"  # matplotlib's words, of `matplotlib._text_helpers`


@contextmanager
def without_glyph_warnings() -> Iterator[None]:
    """Keeps matplotlib from warning that its font has no glyph of a letter: names are not the reader's to change."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_MISSING, category=UserWarning)
        yield
