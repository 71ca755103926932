"""Which ends of a run are tried again, how often, and which attempt is kept.

A failure that the same cell will meet again is not tried again in the same session: another hour would bring the same.
A new start of the sweep tries everything that has no result.

Results that were disturbed are results, and marked as such; they are measured once more in the hope of a quieter time,
and the less disturbed one is kept.
"""

from __future__ import annotations

from collections.abc import Mapping

from layerprof.ledger import Outcome
from layerprof.records import CellFailure, RunRecord

RETRIES: Mapping[str, int] = {
    "oom_cuda": 0,  # as much would be asked for again
    "oom_host": 0,
    "segv": 1,  # races do not come back every time
    "crash": 1,
    "timeout": 0,  # as long again
    "hang": 1,
    "nan": 0,
    "unsupported": 0,
    "unavailable": 0,
    "invalid": 0,
    "contended": 1,
    "throttled": 1,
    "wrong_device": 3,  # on another slot
    "worker_lost": 3,
    "exception": 0,
}
"""How often a run is tried again after each kind of failure; kinds that are not here are not."""

COOLDOWN_S: Mapping[str, float] = {"contended": 5.0, "throttled": 30.0}
"""How long a disturbed run waits before it is tried again; other runs go on meanwhile."""

_DISTURBANCES = ("throttled", "contended")


def reason_to_repeat(outcome: Outcome, *, attempts: Mapping[str, int], is_patient: bool) -> CellFailure | None:
    """Why the run is to be measured again, or None where its outcome is to be kept.

    Args:
        outcome: of the last attempt.
        attempts: by kind, how many attempts of the run ended that way before.
        is_patient: whether a result that was disturbed is a reason.
    """
    reason = outcome.record.summary.failure or (disturbance_of(outcome.record) if is_patient else None)
    if reason is None or attempts.get(reason.kind, 0) >= RETRIES.get(reason.kind, 0):
        return None
    return reason


def disturbance_of(record: RunRecord) -> CellFailure | None:
    """What a result suffered from, by its notes; None for a clean one."""
    for kind in _DISTURBANCES:
        for note in record.summary.notes:
            if note.code == kind:
                return CellFailure(kind=kind, text=note.text)
    return None


def is_better(new: RunRecord, old: RunRecord) -> bool:
    """Whether of two attempts at a run the later is kept: a result, clean, less disturbed, or as good."""
    return _rank(new) <= _rank(old)


def _rank(record: RunRecord) -> tuple[bool, bool, float]:
    conditions = record.conditions
    others_share = None if conditions is None else conditions.others_share
    is_failed = record.summary.status == "failed"
    return is_failed, disturbance_of(record) is not None, 0.0 if others_share is None else others_share
