"""In which order runs are measured, and which slot may take which.

    round 0   C A B        every cell once, in an order drawn for the round
    round 1   B C A        so that drift of the machine falls on all cells alike
    round 2   A C B

Source:
    Random interleaving as in google/benchmark's documentation of ``--benchmark_enable_random_interleaving``.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence

from layerprof.sweeping.base import PlannedCell, Slot
from layerprof.sweeping.engine.base import Course, Task


def tasks_in_order(cells: Sequence[PlannedCell], *, rounds: int) -> Iterator[Task]:
    """All runs, round by round; the order of a round depends on its number and the cells alone, so workers agree.

    Args:
        cells: that are to be measured.
        rounds: runs a cell.
    """
    for repeat in range(rounds):
        shuffled = sorted(cells, key=lambda cell: cell.id)
        random.Random(repeat).shuffle(shuffled)
        yield from (Task(cell=cell, repeat=repeat) for cell in shuffled)


def fits(cell: PlannedCell, slot: Slot) -> bool:
    """Whether a slot has the device that a cell asks for; a cell that asks for none is measured on the CPU."""
    settings = cell.settings
    asked = settings.device or "cpu"
    is_device = slot.device == asked or slot.device.partition(":")[0] == asked
    return is_device and (settings.device_type is None or settings.device_type.lower() in slot.device_type.lower())


class Misfits:
    """Finds runs that no slot can take, once none has been able to for long enough.

    Args:
        tasks: all runs that there will be.
        patience_s: how long, since slots may still come.
    """

    def __init__(self, tasks: Iterable[Task], *, patience_s: float) -> None:
        self._asking = {_kind_of(task): task.cell for task in tasks}  # one cell that asks, for each kind
        self._patience_s = patience_s
        self._since_s: float | None = None

    def overdue(
        self, queue: Iterable[Task], courses: Mapping[str, Course], slots: Sequence[Slot], *, now_s: float
    ) -> tuple[Task, ...]:
        """The runs that have waited in vain.

        Args:
            queue: runs that are not done.
            courses: what has happened to some of them, by their names.
            slots: that there are now.
            now_s: seconds of any clock that goes on.
        """
        fitting = {kind: {slot.name for slot in slots if fits(cell, slot)} for kind, cell in self._asking.items()}
        refused = {name: course.avoided for name, course in courses.items() if course.avoided and not course.is_running}
        if all(fitting.values()) and not refused:  # by far the most frequent case, and the queue may be long
            self._since_s = None
            return ()
        misfits = tuple(task for task in queue if not fitting[_kind_of(task)] - refused.get(task.name, set()))
        if not misfits:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        return misfits if self._since_s is not None and now_s - self._since_s >= self._patience_s else ()


def _kind_of(task: Task) -> tuple[str | None, str | None]:
    """The device and the type that a run asks for."""
    return task.cell.settings.device, task.cell.settings.device_type
