"""What the measuring of a cell shares: how far it has come, and the failure that it finds by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from layerprof.clock import SystemClock
from layerprof.records import CellFailure, Profile

_NS_PER_S = 1e9


class RefusedError(Exception):
    """A run that has a failure of its own, with what was measured before it was found."""

    def __init__(self, failure: CellFailure, partial: Profile | None = None) -> None:
        super().__init__(failure.text)
        self.failure = failure
        self.partial = partial


@dataclass(slots=True)
class Course:
    """What is known of a run, also where something raises.

    Attributes:
        source: version of the user's module, as `source_of` gives it, from before it was imported.
        seconds: of what the run was doing, by name.
        threads: torch's intra-op threads while it was measured, or None where it was not.
    """

    source: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    threads: int | None = None

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """The block whose seconds are kept under a name."""
        clock = SystemClock()
        began_ns = clock.now_ns()
        try:
            yield
        finally:
            self.seconds[name] = (clock.now_ns() - began_ns) / _NS_PER_S
