"""What the files of this room share: where everything lies, what is handed over, and care with disks."""

from layerprof.ledger.base.disk import (
    file_clock_ns,
    is_full,
    named_by,
    no_space,
    not_written,
    place_bytes,
    place_file,
    sync_folder,
    temporary_of,
)
from layerprof.ledger.base.layout import (
    LOG_FILE,
    MOST_BYTES,
    NOWHERE_ID,
    PROFILE_FILE,
    RUN_FILE,
    SWEEP_FILE,
    Layout,
    Outcome,
    RunKey,
    key_of,
    key_of_replacing,
)

__all__ = [
    "LOG_FILE",
    "MOST_BYTES",
    "NOWHERE_ID",
    "PROFILE_FILE",
    "RUN_FILE",
    "SWEEP_FILE",
    "Layout",
    "Outcome",
    "RunKey",
    "file_clock_ns",
    "is_full",
    "key_of",
    "key_of_replacing",
    "named_by",
    "no_space",
    "not_written",
    "place_bytes",
    "place_file",
    "sync_folder",
    "temporary_of",
]
