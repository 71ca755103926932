"""Untrusted text made harmless: names come from models, data sets and files, and are shown in many places."""

from __future__ import annotations

import unicodedata

_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # controls, bidi and zero-width, line separators


def inert(text: str) -> str:
    """The text on one line: control, format and separator characters become visible escapes of their code points."""
    if text.isprintable():  # then it has none of them, as nearly always
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE_CATEGORIES:
        return character
    return character.encode("unicode_escape").decode("ascii")
