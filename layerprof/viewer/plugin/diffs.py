"""The Diff page's times to the nanosecond; the plugin shows sums of floats with all of their digits."""

from __future__ import annotations

from typing import Any

_DIGITS = 3  # of microseconds

Json = Any  # the plugin has no types


def rounded(answer: Json) -> Json:
    """What the plugin answers for the page, each of its times made readable; the plugin's own is not changed."""
    if isinstance(answer, float):
        return round(answer, _DIGITS)
    if isinstance(answer, dict):
        return {name: rounded(value) for name, value in answer.items()}
    if isinstance(answer, list):
        return list(map(rounded, answer))
    return answer
