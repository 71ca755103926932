"""The environment variables of a cell's process: as the user has them, but for those that a sweep has to hold still.

    threads      as many as the cell asks for, else the user's number, else one on each physical core that may be used
    cell         that this is one, so that a script which it imports does not start a sweep in it
    hub          nothing is fetched while a cell is measured, unless the cell needs what only the hub has, or the user
                 has said otherwise
    hashes       the same order of sets in each process

Limits:
    A model of the user's own (``package.module:callable``) may fetch what it likes; the hub is left as the user has it.
"""

from __future__ import annotations

from collections.abc import Mapping

from layerprof.names import HUB_SOURCE
from layerprof.sweeping.base.cells import PlannedCell
from layerprof.sweeping.base.nesting import CELL_VARIABLE

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
_ALWAYS = {
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PYTHONHASHSEED": "0",
    CELL_VARIABLE: "1",
}


def variables_for(
    cell: PlannedCell, *, usual: int, theirs: Mapping[str, str], threads: int | None = None
) -> dict[str, str]:
    """What is set for a cell's process, or for a server of such cells, which may differ in their threads.

    Args:
        cell: that is measured in it.
        usual: threads where the cell asks for no number.
        theirs: the user's environment.
        threads: that the cell asks for, or None.
    """
    offline = {} if needs_hub(cell) else {name: "1" for name in _OFFLINE if name not in theirs}
    return {**dict.fromkeys(_THREADS, str(threads or usual)), **offline, **_ALWAYS}


def needs_hub(cell: PlannedCell) -> bool:
    """Whether a cell may fetch weights or samples, or whatever a model of the user's own asks for."""
    of_hub = (cell.settings.source or "").partition("@")[0] == HUB_SOURCE
    return ":" in cell.model or cell.settings.weights == "pretrained" or of_hub
