"""No sweep inside a sweep: a cell's process that imports the user's script must not run what stands in it.

A script that is a cell's module too (``script:build``) is imported by each cell. Without a guard its own call of
``layerprof.sweep`` would start a sweep in every one of them, and so on.
"""

from __future__ import annotations

import os

from layerprof.errors import InputError

CELL_VARIABLE = "LAYERPROF_CELL"  # set to 1 in the process of a cell, and in those that it starts


def require_not_in_cell() -> None:
    """Returns where this process measures no cell.

    Raises:
        InputError: where it does.
    """
    if os.environ.get(CELL_VARIABLE) == "1":
        raise InputError(
            "this was called while a cell imports your module; put the sweep under `if __name__ == '__main__':`"
        )
