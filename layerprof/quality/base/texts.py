"""Texts made comparable: the normaliser ``words-1``, which is applied to answers and references alike.

    compatibility forms ─▶ folded case ─▶ punctuation removed ─▶ single spaces

Punctuation is removed and not replaced by a space, so a text has as many words as its spaces say, but for those that
are nothing but punctuation: counts of words stay comparable with those of texts that nobody normalised. So an
apostrophe goes as well (``don't`` is ``dont``): signs and people write it both ways. Between two digits punctuation
stays, for 3.5 is not 35 and 12:30 is not 1230; only a comma, which parts thousands, goes there too. Symbols such as $
and + stay: they tell a price from a number.

Anything that changes a normalised text makes a new version.
"""

from __future__ import annotations

import re
import unicodedata

NORMALISER = "words-1"

_APOSTROPHES = frozenset("`\u02bc")  # a symbol and a letter by category, in use as quotation marks and apostrophes
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[^,](?=\d)")
_INVISIBLE = ("Cc", "Cf")  # Unicode's categories of controls and of formats, such as soft hyphens
_PUNCTUATION = "P"  # first letter of those of punctuation


def normalised(text: str) -> str:
    """The text in words that can be compared, parted by single spaces; "" where it has none.

    It is stable: ``normalised(normalised(text)) == normalised(text)``.

    Source:
        The Unicode Standard, section 3.13 (caseless matching, definition D146), section 4.5 (categories), and its
        annex 15 (compatibility forms).
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    spaced = " ".join(folded.split())  # before controls are dropped: some of them, such as tabs, are spaces
    visible = "".join(char for char in spaced if unicodedata.category(char) not in _INVISIBLE)
    kept = {match.start() for match in _BETWEEN_DIGITS.finditer(visible)}
    bare = "".join(char for place, char in enumerate(visible) if place in kept or not _is_punctuation(char))
    composed = unicodedata.normalize("NFKC", bare)  # what stood apart may now be a letter and its accent
    return " ".join(composed.split())


def _is_punctuation(char: str) -> bool:
    return char in _APOSTROPHES or unicodedata.category(char).startswith(_PUNCTUATION)
