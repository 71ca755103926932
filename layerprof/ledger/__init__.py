"""A sweep's folder: the truth of every run in a file of its own, who is on what, and the cells put together.

No torch here: a folder can be read, reported and cleaned on any machine.
"""

from layerprof.ledger.base import (
    EVIDENCE_FILE,
    LOG_FILE,
    NOWHERE_ID,
    PROFILE_FILE,
    RUN_FILE,
    SWEEP_FILE,
    Layout,
    Outcome,
    RunKey,
    key_of,
)
from layerprof.ledger.folders import (
    Damaged,
    Scan,
    begin,
    counts,
    join,
    load_sweep,
    merged,
    read_plan,
    require_startable,
    scan,
    set_aside,
)
from layerprof.ledger.leases import Leases, Owner
from layerprof.ledger.outcomes import read_outcome, write_outcome
from layerprof.ledger.runs import is_of_newer, keep, read_run

__all__ = [
    "EVIDENCE_FILE",
    "LOG_FILE",
    "NOWHERE_ID",
    "PROFILE_FILE",
    "RUN_FILE",
    "SWEEP_FILE",
    "Damaged",
    "Layout",
    "Leases",
    "Outcome",
    "Owner",
    "RunKey",
    "Scan",
    "begin",
    "counts",
    "is_of_newer",
    "join",
    "keep",
    "key_of",
    "load_sweep",
    "merged",
    "read_outcome",
    "read_plan",
    "read_run",
    "require_startable",
    "scan",
    "set_aside",
    "write_outcome",
]
