"""Which of the runs that are stored count in a sweep as it stands."""

from __future__ import annotations

from layerprof.records import RunSummary, SweepRecord


def counts(run: RunSummary, sweep: SweepRecord) -> bool:
    """Whether a run that is stored counts.

    A result counts where it is of the current session, or its environment is among those of the sweep; a failure only
    in its own session, since the next one tries again. Neither does where the sweep was begun anew after its session.
    Where no session has said anything, all do.

    Args:
        run: as stored.
        sweep: the plan as it stands.
    """
    if not sweep.session and not sweep.environments:
        return True
    if not is_of_its_time(run, sweep):
        return False
    return run.session == sweep.session or (run.status == "done" and run.environment in sweep.environments)


def is_of_its_time(run: RunSummary, sweep: SweepRecord) -> bool:
    """Whether a run's session is one of those that count: the sweep was not begun anew after it."""
    return not sweep.sessions or run.session in sweep.sessions
