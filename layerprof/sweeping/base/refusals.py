"""The failure that a run finds by itself, such as an optimisation that was taken and is not what ran."""

from __future__ import annotations

from layerprof.records import CellFailure, Profile


class RefusedError(Exception):
    """A run that has a failure of its own, with what was measured before it was found."""

    def __init__(self, failure: CellFailure, partial: Profile | None = None) -> None:
        super().__init__(failure.text)
        self.failure = failure
        self.partial = partial
