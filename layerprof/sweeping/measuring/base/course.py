"""How far a run has come: what is known of it also where something raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from layerprof.clock import SystemClock
from layerprof.records import Note, QualityRecord, TruthRecord

_NS_PER_S = 1e9


@dataclass(slots=True)
class Course:
    """What is known of a run, also where something raises.

    Attributes:
        source: version of the user's module, as `source_of` gives it, from before it was imported.
        seconds: of what the run was doing, by name.
        threads: torch's intra-op threads while it was measured, or None where it was not.
        truth: what was in force, once it was looked at.
        quality: of the answers, once they are scored.
        metrics: that came with the two.
        notes: likewise.
    """

    source: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    threads: int | None = None
    truth: TruthRecord | None = None
    quality: QualityRecord | None = None
    metrics: dict[str, float | int | None] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def know(self, *, has_nan: bool | None) -> None:
        """Whether the outputs hold NaN is known from now on, where anything is known of what was in force."""
        if self.truth is not None:
            self.truth = replace(self.truth, has_nan=has_nan)

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """The block whose seconds are kept under a name."""
        clock = SystemClock()
        began_ns = clock.now_ns()
        try:
            yield
        finally:
            self.seconds[name] = (clock.now_ns() - began_ns) / _NS_PER_S
