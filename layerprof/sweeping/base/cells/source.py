"""Which version of a user's module a model comes from, told without importing it.

A result of one version is not one of another, though the cell has the same id: results are then marked, not refused.

Limits:
    The module's own file alone is looked at, not what it imports. Modules that are found by other means than a folder
    of the search path, such as those in archives, have no version.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

_DIGITS = 16  # hexadecimal, as of a cell's id


def source_of(model: str) -> str:
    """The beginning of the SHA-256 of the module's file, as it is now.

    Args:
        model: a preset's name, or ``package.module:callable``, whose module is searched for in the current directory
            first and then in ``sys.path``.

    Returns:
        16 hexadecimal digits; "" for presets, and where no file is found or it cannot be read.
    """
    module, colon, _ = model.partition(":")
    if not colon:
        return ""
    with suppress(OSError, ValueError):  # what is not there, may not be read, or is no name of a file
        path = _file_of(module.split("."))
        return "" if path is None else hashlib.sha256(path.read_bytes()).hexdigest()[:_DIGITS]
    return ""


def _file_of(names: Sequence[str]) -> Path | None:
    """The file that importing the module would run."""
    if not all(name.isidentifier() for name in names):
        return None
    *packages, last = names
    folders = list(_search_path())
    for package in packages:
        inside = [folder / package for folder in folders]
        regular = [folder for folder in inside if (folder / "__init__.py").is_file()]
        folders = regular[:1] or inside  # without an ``__init__.py`` anywhere, a package has parts in all of them
    candidates = (path for folder in folders for path in (folder / last / "__init__.py", folder / f"{last}.py"))
    return next((path for path in candidates if path.is_file()), None)


def _search_path() -> Iterable[Path]:
    with suppress(OSError):  # a working directory that was deleted
        yield Path.cwd()
    yield from (Path(entry) for entry in sys.path if entry)
