"""What a self-check says, and how two numbers that should agree are judged."""

from __future__ import annotations

from dataclasses import dataclass

from layerprof.estimates import Estimate

MARGIN = 1.5  # half-widths of a 95 % interval: chance alone then fails a check in about one run of a hundred


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfCheck:
    """One thing that has to be so if the joules are right, and whether it is. No second meter is needed for it.

    Attributes:
        name: of the check, such as ``linearity``.
        is_ok: whether it is so; None where the check could not be made, and then ``detail`` says why.
        measured: what was found, or None.
        expected: what should have been found, or None.
        tolerance: by how much the two may differ, or None.
        quantity: what these three are, with the unit as its suffix: ``power_w``, ``intercept_j``; ``ratio`` and
            ``share`` have none.
        detail: in words, what was compared.
    """

    name: str
    is_ok: bool | None
    measured: float | None
    expected: float | None
    tolerance: float | None
    quantity: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leeway:
    """What differences are let pass.

    Attributes:
        slack: one that would not matter even if it were known exactly.
        most: tolerance above which a check would let pass what matters, and so tells nothing.
    """

    slack: float
    most: float


def compared(
    name: str, found: Estimate, expected: Estimate, *, leeway: Leeway, quantity: str, detail: str
) -> SelfCheck:
    """Whether two values agree, within their errors and the slack; None where they are too uncertain to tell.

    Args:
        name: of the check.
        found: by measurement.
        expected: by another way.
        leeway: what differences are let pass.
        quantity: that they are of.
        detail: what was compared.
    """
    tolerance = MARGIN * (found - expected).half_width + leeway.slack
    is_clear = tolerance <= leeway.most
    return SelfCheck(
        name=name,
        is_ok=abs(found.value - expected.value) <= tolerance if is_clear else None,
        measured=found.value,
        expected=expected.value,
        tolerance=tolerance,
        quantity=quantity,
        detail=detail if is_clear else f"{detail}; the windows differ too much among themselves to tell",
    )


def not_made(name: str, quantity: str, reason: str) -> SelfCheck:
    """A check that could not be made, and why."""
    return SelfCheck(
        name=name, is_ok=None, measured=None, expected=None, tolerance=None, quantity=quantity, detail=reason
    )
