"""What an error that Ray reports says about a run; by class name, so that this needs no Ray."""

from __future__ import annotations

from layerprof.records import CellFailure
from layerprof.sweeping.base.options import START_S
from layerprof.sweeping.executors.ray.base import first_line

_NODE_DIED = frozenset({"NodeDiedError", "LocalRayletDiedError", "TaskUnschedulableError"})
_CANCELLED = frozenset({"TaskCancelledError"})
_OUT_OF_MEMORY = frozenset({"OutOfMemoryError"})
_RAISED = frozenset({"RayTaskError"})


_OVERDUE_S = 60.0  # beyond a run's own limits of time, which its node keeps


def overdue_s(began_s: float | None, timeout_s: float | None, *, now_s: float) -> float | None:
    """How long a run's node has been silent, where that is longer than its limits allow; else None.

    Args:
        began_s: when the node said that it began; None while the run waits there, however long.
        timeout_s: of the run.
        now_s: the time.
    """
    if began_s is None or timeout_s is None or now_s - began_s < START_S + timeout_s + _OVERDUE_S:
        return None
    return now_s - began_s


def has_lost_its_node(error: BaseException) -> bool:
    """Whether the node is gone: Ray itself takes some 15 s longer until it no longer lists it."""
    return bool(_names_of(error) & _NODE_DIED)


def failure_of_worker(error: BaseException, host: str) -> CellFailure:
    """Why a run brought nothing, from the error in the place of its next message.

    Args:
        error: that ``ray.get`` raised.
        host: name of the run's machine.
    """
    names = _names_of(error)
    if names & _CANCELLED:
        return CellFailure(kind="worker_lost", text=f"somebody cancelled the run on {host}")
    if names & _OUT_OF_MEMORY:
        return CellFailure(
            kind="oom_host", text=f"Ray killed the run for want of memory on {host}: {first_line(error)}"
        )
    if names & _RAISED:
        cause = getattr(error, "cause", None) or error
        return CellFailure(kind="exception", text=f"on {host}: {type(cause).__name__}: {first_line(cause)}")
    what = f"the node {host} died" if names & _NODE_DIED else f"Ray lost the run on {host}"
    return CellFailure(kind="worker_lost", text=f"{what}: {first_line(error)}")


def _names_of(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}
