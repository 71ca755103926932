"""What the sweep's side and the cell's side of the isolation share: their messages, and calls of the system."""

from layerprof.sweeping.isolation.base.boards import BoardReading
from layerprof.sweeping.isolation.base.ending import Ending, Stop, tail_of
from layerprof.sweeping.isolation.base.measured import Entry, Tell, failed_outcome, measured
from layerprof.sweeping.isolation.base.messages import Request, encode, lines_of, resolve
from layerprof.sweeping.isolation.base.processes import born_at, kill_group
from layerprof.sweeping.isolation.base.system import (
    allowed_cores,
    available_bytes,
    chosen_cores,
    die_with_parent,
    folders_of,
    lift_memory_limit,
    limit_memory,
    oom_kills,
    prefer_as_victim,
    signal_name,
    stops_by_quota,
    threads_of_process,
)

__all__ = [
    "BoardReading",
    "Ending",
    "Entry",
    "Request",
    "Stop",
    "Tell",
    "allowed_cores",
    "available_bytes",
    "born_at",
    "chosen_cores",
    "die_with_parent",
    "encode",
    "failed_outcome",
    "folders_of",
    "kill_group",
    "lift_memory_limit",
    "limit_memory",
    "lines_of",
    "measured",
    "oom_kills",
    "prefer_as_victim",
    "resolve",
    "signal_name",
    "stops_by_quota",
    "tail_of",
    "threads_of_process",
]
