"""Where the sweep's process works."""

from __future__ import annotations

from pathlib import Path

from layerprof.errors import InputError


def working_directory() -> str:
    """The directory that this process works in.

    Raises:
        InputError: when it was deleted.
    """
    try:
        return str(Path.cwd())
    except FileNotFoundError as error:
        text = "the working directory was deleted; change to one that exists (cd) and start again"
        raise InputError(text) from error
