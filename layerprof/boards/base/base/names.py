"""Names of runs and tags from names that are not trusted: one line, no path of its own, no end of a folder's limit."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable

from layerprof.texts import inert

_MOST_CHARACTERS = 120  # of a tag's part or a folder's name; file systems take 255 bytes
_UNSAFE = re.compile(r"[^A-Za-z0-9._=,+-]+")
_AT_AN_EDGE = re.compile(r"^/+|/+$|/*([=,])/*")  # the slash, which no safe name has, stands for what was taken out
_DIGEST_DIGITS = 8


def label(name: str) -> str:
    """The name on one line; a very long one is cut and ends in a digest of all of it."""
    shown = inert(name)
    if len(shown) <= _MOST_CHARACTERS:
        return shown
    return f"{shown[: _MOST_CHARACTERS - _DIGEST_DIGITS - 1]}…{digest_of(shown)}"


def file_name(name: str) -> str:
    """The name with dashes for what a file system might not take; one that is too long or empty has its digest."""
    marked = _AT_AN_EDGE.sub(r"\1", _UNSAFE.sub("/", name))
    safe = marked.replace("/", "-").lstrip(".")
    if safe and len(safe) <= _MOST_CHARACTERS:
        return safe
    return f"{safe[: _MOST_CHARACTERS - _DIGEST_DIGITS - 1]}~{digest_of(name)}".lstrip("~")


def unique_names(names: Iterable[tuple[str, str]], *, taken: Collection[str] = ()) -> dict[str, str]:
    """A file's name for each key, from (key, name) pairs; names that are alike end in the digest of their key.

    Two that differ only in capitals are alike: some file systems do not tell them apart.

    Args:
        names: of one folder.
        taken: names of files that are there besides.
    """
    pairs = [(key, file_name(name)) for key, name in names]
    seen = Counter([*taken, *(name.lower() for _, name in pairs)])
    return {key: name if seen[name.lower()] == 1 else f"{name}~{digest_of(key)}" for key, name in pairs}


def digest_of(name: str) -> str:
    """A few digits that stand for the name; the same name has the same ones everywhere."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_DIGITS]
