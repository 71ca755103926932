"""The exceptions layerprof raises, split by what the caller can do about them.

    LayerprofError
    ├── InputError             a bad argument or file: correct the call
    ├── MeasurementError       it could not be measured honestly: see the cause and ``partial``
    │   └── MeasurementInterruptedError   Ctrl-C while measuring (also a KeyboardInterrupt)
    ├── UnavailableError       a device, counter, package or data set is missing: the text names the remedy
    └── RecordError            a damaged file, or one that a newer layerprof wrote

A message says what was asked, what was found, and what to do instead, in one line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerprof.records import Profile


class LayerprofError(Exception):
    """The root of every error that layerprof raises on purpose."""


class InputError(LayerprofError, ValueError):
    """A bad argument, option or file; correct it and call again."""


class MeasurementError(LayerprofError, RuntimeError):
    """Something could not be measured honestly.

    Attributes:
        partial: the profile of the passes that were finished, or None where none had begun. Quantities of the
            passes that were not reached are None in it, with a note for each.
    """

    def __init__(self, message: str, *, partial: Profile | None = None) -> None:
        super().__init__(message)
        self.partial = partial


class MeasurementInterruptedError(MeasurementError, KeyboardInterrupt):
    """Ctrl-C came during a measurement; ``partial`` keeps the passes that were finished.

    It is a ``KeyboardInterrupt`` too, so code that handles Ctrl-C needs no second clause.
    """


class UnavailableError(LayerprofError, RuntimeError):
    """A device, counter, package or data set is missing; the message names the remedy."""


class RecordError(LayerprofError, ValueError):
    """A stored record is damaged, of another kind, or of a newer layerprof."""
