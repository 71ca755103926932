"""Names of files as they come from callers."""

from __future__ import annotations

import os
from pathlib import Path

from layerprof.errors import InputError


def usable_path(path: str | Path) -> Path:
    """The path, where a file can have it.

    Raises:
        InputError: when it is of another type, or holds a character that no file's name can.
    """
    try:
        found = Path(path)
    except TypeError as error:
        raise InputError(f"a trace's path is a str or a Path; found {type(path).__name__}") from error
    try:
        is_usable = b"\0" not in os.fsencode(found)
    except UnicodeEncodeError:
        is_usable = False
    if not is_usable:
        raise InputError(f"a trace's path may not hold NUL or half a surrogate pair; found {str(path)!r}")
    return found
