"""How a sweep stands while it is measured: which session it is in, and which environments' results count."""

from __future__ import annotations

from collections.abc import Iterable

from layerprof.errors import InputError
from layerprof.ledger import Layout, join, read_plan
from layerprof.records import FrozenMapping, SweepRecord
from layerprof.sweeping.base import EnvironmentKey, Executor


class Standing:
    """The sweep as it stands: its session, and the environments whose results count.

    Slots may come while a sweep runs, other workers may join, and the sweep may be started anew while they go on: so
    the folder's plan is read again where it has changed, and told of the environments of this worker's slots.

    Args:
        layout: of the sweep's folder.
        runner: whose slots this worker has.
    """

    def __init__(self, layout: Layout, runner: Executor) -> None:
        self._layout, self._runner = layout, runner
        self._stamp_ns = 0
        self._record: SweepRecord | None = None

    def __call__(self) -> SweepRecord:
        """The sweep's plan as the folder has it now.

        Raises:
            InputError: when the folder is not there any more.
        """
        record = self._read()
        here = {slot.environment.id: slot.environment for slot in self._runner.slots()}
        fresh = [environment for name, environment in here.items() if name not in record.environments]
        if fresh:
            join(self._layout, facts_of(fresh))
            record = self._read()
        return record

    def _read(self) -> SweepRecord:
        try:
            stamp_ns = self._layout.plan.stat().st_mtime_ns
        except OSError as error:
            raise InputError(
                f"{self._layout.folder} was moved or removed while it was swept ({error.strerror}); what was stored is "
                f"where it went, and the same command goes on there"
            ) from error
        if self._record is None or stamp_ns != self._stamp_ns:
            self._record, self._stamp_ns = read_plan(self._layout), stamp_ns
        return self._record


def facts_of(environments: Iterable[EnvironmentKey]) -> FrozenMapping[FrozenMapping[str]]:
    """The facts of environments by their ids, as a sweep's record has them."""
    return FrozenMapping({environment.id: environment.facts for environment in environments})
