"""The exit status of a sweep: which missing results are answers, and in which tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from layerprof.cli.base import CHECK_FAILED, DONE, exit_status
from layerprof.records import CellFailure, CellRecord, FrozenMapping, PlanRecord, PlanTest, SweepRecord

DONE_CELL, PENDING = ("done", "", ""), ("pending", "", "")
LEFT_OUT, TOO_FEW = ("skipped", "excluded", ""), ("skipped", "invalid", "")
NO_DEVICE, REFUSED = ("failed", "unavailable", ""), ("failed", "unsupported", "here")
NO_PACKAGE, CRASHED = ("failed", "unavailable", "here"), ("failed", "crash", "here")

Made = tuple[str, str, str]


def cell_of(id_: str, made: Made) -> CellRecord:
    """A cell with its status, the kind of its failure and where it ran."""
    status, kind, environment = made
    failure = CellFailure(kind=kind, text="why") if kind else None
    return CellRecord(id=id_, axes=FrozenMapping({}), status=status, failure=failure, environment=environment)  # type: ignore[arg-type]


def sweep_of(**tests: Sequence[Made]) -> SweepRecord:
    """A sweep of those tests, none of which share a cell."""
    cells = {name: [cell_of(f"{name}{place}", made) for place, made in enumerate(of)] for name, of in tests.items()}
    return record_of(
        {name: [cell.id for cell in of] for name, of in cells.items()}, [c for of in cells.values() for c in of]
    )


def record_of(tests: Mapping[str, Sequence[str]], cells: Sequence[CellRecord]) -> SweepRecord:
    plan = PlanRecord(
        name="plan",
        model="net",
        axes=(),
        tests=tuple(
            PlanTest(name=name, axes=(), fixed=FrozenMapping({}), cells=tuple(ids)) for name, ids in tests.items()
        ),
    )
    return SweepRecord(plan=plan, cells=tuple(cells))


def of_one_product(*made: Made) -> SweepRecord:
    return record_of({}, [cell_of(str(place), each) for place, each in enumerate(made)])


@pytest.mark.parametrize(
    ("record", "status"),
    [
        pytest.param(sweep_of(batch=[DONE_CELL, TOO_FEW]), DONE, id="done"),
        pytest.param(sweep_of(batch=[DONE_CELL, CRASHED]), CHECK_FAILED, id="a crash"),
        pytest.param(sweep_of(device=[NO_DEVICE, DONE_CELL]), DONE, id="a missing device of the test of devices"),
        pytest.param(sweep_of(batch=[NO_DEVICE, DONE_CELL]), CHECK_FAILED, id="a missing device of another test"),
        pytest.param(sweep_of(device=[NO_PACKAGE, DONE_CELL]), CHECK_FAILED, id="what else is missing on a device"),
        pytest.param(sweep_of(device=[NO_DEVICE]), CHECK_FAILED, id="no device at all"),
        pytest.param(sweep_of(optimization=[REFUSED, DONE_CELL]), DONE, id="a refusal beside a result"),
        pytest.param(sweep_of(optimization=[REFUSED], batch=[DONE_CELL]), CHECK_FAILED, id="refusals alone"),
        pytest.param(sweep_of(batch=[TOO_FEW], device=[DONE_CELL]), CHECK_FAILED, id="a test in which nothing ran"),
        pytest.param(sweep_of(batch=[LEFT_OUT, LEFT_OUT], device=[DONE_CELL]), DONE, id="a test that is left out"),
        pytest.param(sweep_of(batch=[LEFT_OUT, TOO_FEW]), CHECK_FAILED, id="a test that is left out in part"),
        pytest.param(sweep_of(batch=[PENDING, TOO_FEW]), DONE, id="a test that others will measure"),
        pytest.param(sweep_of(batch=[PENDING, REFUSED]), CHECK_FAILED, id="a refusal beside what is not measured yet"),
        pytest.param(of_one_product(DONE_CELL, REFUSED), DONE, id="one product, a refusal beside a result"),
        pytest.param(of_one_product(REFUSED), CHECK_FAILED, id="one product, refusals alone"),
        pytest.param(of_one_product(DONE_CELL, NO_DEVICE), CHECK_FAILED, id="one product, a missing device"),
        pytest.param(of_one_product(TOO_FEW), CHECK_FAILED, id="one product in which nothing ran"),
        pytest.param(of_one_product(LEFT_OUT), DONE, id="one product that is left out"),
    ],
)
def test_the_status_is_that_of_the_tests(record: SweepRecord, status: int) -> None:
    assert exit_status(record) == status


def test_a_cell_of_several_tests_has_to_be_an_answer_in_each() -> None:
    cells = [cell_of("gpu", NO_DEVICE), cell_of("cpu", DONE_CELL)]

    alone = record_of({"device": ["gpu", "cpu"], "batch": ["cpu"]}, cells)
    shared = record_of({"device": ["gpu", "cpu"], "batch": ["gpu", "cpu"]}, cells)

    assert (exit_status(alone), exit_status(shared)) == (DONE, CHECK_FAILED)
