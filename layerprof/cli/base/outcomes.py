"""What a sweep's command ends with: which missing results are answers, and which are not.

test without any result              1, unless the plan itself leaves all of it out
failed: unsupported                  an answer where the test has a result beside it
failed: a device that is not here    an answer of the test ``device``, which asks for both kinds
failed otherwise                     1
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from layerprof.records import CellRecord, SweepRecord

DONE, CHECK_FAILED, BAD_INPUT = 0, 1, 2  # exit statuses
INTERRUPTED, TERMINATED = 130, 143  # the shell's for Ctrl-C and for SIGTERM

_DEVICE_TEST = "device"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A test with its cells; one, "", of a plan that is one product."""

    test: str
    cells: Sequence[CellRecord]


def exit_status(record: SweepRecord) -> int:
    """What a finished sweep's command ends with.

    An optimisation that the model refuses, beside results of others, and in a test of devices one that this machine has
    not, are answers of a sweep that asks for them, and are shown as such. Any other failure makes the status 1, and so
    does a test in which nothing ran. A cell of several tests has to be an answer in each. Cells that wait for another
    worker are nobody's failure.
    """
    return DONE if all(map(_is_answered, _parts(record))) else CHECK_FAILED


def _parts(record: SweepRecord) -> Iterator[_Part]:
    if not record.plan.tests:
        yield _Part(test="", cells=record.cells)
    by_id = {cell.id: cell for cell in record.cells}
    for test in record.plan.tests:
        yield _Part(test=test.name, cells=[by_id[name] for name in test.cells if name in by_id])


def _is_answered(part: _Part) -> bool:
    statuses = {cell.status for cell in part.cells}
    if statuses.isdisjoint({"done", "pending"}) and not all(map(_is_left_out, part.cells)):
        return False
    return all(_is_an_answer(cell, part) for cell in part.cells if cell.status == "failed")


def _is_left_out(cell: CellRecord) -> bool:
    """Whether the plan itself leaves it out."""
    return cell.status == "skipped" and cell.failure is not None and cell.failure.kind == "excluded"


def _is_an_answer(cell: CellRecord, part: _Part) -> bool:
    kind = "" if cell.failure is None else cell.failure.kind
    if kind == "unsupported":
        return any(each.status == "done" for each in part.cells)
    return kind == "unavailable" and not cell.environment and part.test == _DEVICE_TEST
