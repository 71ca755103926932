"""Plans that are made of tests: cells in common are one cell, and every test knows its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import layerprof as lp
from layerprof.records import AxisValue
from layerprof.store import read_record, write_record
from layerprof.sweeping.base import cell_of
from layerprof.sweeping.plans import Plan, Subplan, read_plan

TINY = "blip2-tiny"
BATCH = Subplan(name="batch", axes={"batch_size": (1, 4)})
SEED = Subplan(name="seed", axes={"seed": (0, 1)}, fixed={"batch_size": 4})


def plan(*tests: Subplan, **options: object) -> Plan:
    return Plan(model=TINY, tests=tests, fixed={"samples": 4}, **options)  # type: ignore[arg-type]  # by the field's name


def settings_of(of: Plan) -> list[tuple[AxisValue, AxisValue]]:
    return [(cell.axes["batch_size"], cell.axes["seed"]) for cell in of.cells()]


def test_a_cell_of_two_tests_is_planned_once() -> None:
    assert settings_of(plan(BATCH, SEED)) == [(1, 0), (4, 0), (4, 1)]


def test_each_test_is_recorded_with_its_own_cells_in_its_own_order() -> None:
    made = plan(BATCH, SEED)
    ids = [cell.id for cell in made.cells()]

    batch, seed = made.record().tests

    assert batch.cells == (ids[0], ids[1])
    assert seed.cells == (ids[1], ids[2])
    assert dict(seed.fixed) == {"samples": 4, "batch_size": 4}
    assert seed.axes == (("seed", (0, 1)),)


def test_the_axes_of_a_plan_with_tests_are_all_values_that_a_cell_has() -> None:
    assert dict(plan(BATCH, SEED).axes) == {"batch_size": (1, 4), "seed": (0, 1)}


def test_the_plan_of_one_product_has_no_tests() -> None:
    assert Plan(model=TINY, axes={"seed": (0, 1)}).record().tests == ()


def test_a_quick_plan_keeps_its_tests_and_the_cells_that_they_share() -> None:
    made = plan(BATCH, SEED).quick()

    assert [test.name for test in made.record().tests] == ["batch", "seed"]
    assert len(made.cells()) == 3
    assert all(cell.settings.quick for cell in made.cells())


def test_some_of_the_tests_can_be_taken() -> None:
    made = plan(BATCH, SEED)

    assert made.only(["seed"]).cells() == tuple(cell for cell in made.cells() if cell.settings.batch_size == 4)
    with pytest.raises(lp.InputError, match="has no test 'speed'; its tests are batch, seed"):
        made.only(["speed"])
    with pytest.raises(lp.InputError, match="its tests are none"):
        Plan(model=TINY, axes={"seed": (0,)}).only(["seed"])


@pytest.mark.parametrize("names", [None, "batch", [], 3], ids=str)
def test_tests_are_taken_by_a_list_of_their_names(names: object) -> None:
    with pytest.raises(lp.InputError) as caught:
        plan(BATCH, SEED).only(names)  # type: ignore[arg-type]

    assert str(caught.value) == (
        f"a plan is taken with a list of at least one of its tests (batch, seed); found {names!r}"
    )


def test_links_vary_together_within_their_test() -> None:
    linked = Subplan(name="linked", axes={"seed": (0, 1), "batch_size": (1, 2)}, links=(("seed", "batch_size"),))

    assert settings_of(plan(linked)) == [(1, 0), (2, 1)]


def test_a_worker_makes_the_same_cells_of_the_record() -> None:
    made = plan(BATCH, SEED)
    record = made.record()

    assert [cell_of(record, cell.planned()).id for cell in made.cells()] == [cell.id for cell in made.cells()]


def test_a_record_of_tests_is_stored_and_read(tmp_path: Path) -> None:
    from layerprof.records import SweepRecord

    made = plan(BATCH, SEED)
    record = SweepRecord(plan=made.record(), cells=tuple(cell.planned() for cell in made.cells()))

    assert read_record(write_record(record, tmp_path / "sweep.json")) == record


@pytest.mark.parametrize(
    ("tests", "options", "message"),
    [
        ((BATCH, BATCH), {}, "two tests of the plan are called 'batch'"),
        ((BATCH,), {"axes": {"seed": (0,)}}, "a plan with tests has its axes and links in them"),
        ((BATCH,), {"links": (("batch_size", "seed"),)}, "a plan with tests has its axes and links in them"),
        ((Subplan(name="few", axes={"samples": (1, 2)}),), {}, "'samples' is an axis and fixed too"),
        ((Subplan(name="few", axes={"seed": (1,)}, fixed={"samples": 2}),), {}, "'samples' is an axis and fixed too"),
        (({"name": "batch"},), {}, "tests are layerprof.plans.Subplan; found dict"),
        ((Subplan(name="odd", axes={"colour": (1,)}),), {}, "there is no axis 'colour'"),
    ],
)
def test_tests_that_make_no_plan_are_refused(
    tests: tuple[Subplan, ...], options: Mapping[str, object], message: str
) -> None:
    with pytest.raises(lp.InputError, match=message):
        plan(*tests, **options)


@pytest.mark.parametrize(
    ("name", "axes", "message"),
    [
        ("a b", {"seed": (0,)}, "a test's name has letters"),
        ("a", {}, "the test 'a' has no axes"),
        ("a", {"seed": ()}, "takes a list of at least one value"),
        ("a", {"seed": (0, 0)}, "has a value twice"),
    ],
)
def test_a_test_that_makes_no_sense_is_refused(name: str, axes: Mapping[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(lp.InputError, match=message):
        Subplan(name=name, axes=axes)


def test_a_yaml_file_may_have_tests(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(
        "model: blip2-tiny\nfixed: {samples: 4}\ntests:\n"
        "  - {name: batch, axes: {batch_size: [1, 4]}}\n"
        "  - {name: seed, axes: {seed: [0, 1]}, fixed: {batch_size: 4}}\n"
    )

    assert read_plan(path) == plan(BATCH, SEED)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("model: blip2-tiny\ntests: 5\n", "tests is a list of mappings of name, axes, fixed, links"),
        ("model: blip2-tiny\ntests: [{name: a}]\n", "the first two at least"),
        ("model: blip2-tiny\ntests: [{name: a, axes: {seed: [1]}, rounds: 2}]\n", "found 'rounds'"),
        ("model: blip2-tiny\n", "with model and axes"),
    ],
)
def test_a_yaml_file_with_bad_tests_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(content)

    with pytest.raises(lp.InputError, match=message):
        read_plan(path)


def test_what_excludes_cells_holds_for_all_tests() -> None:
    made = plan(BATCH, SEED, exclude=({"batch_size": 4, "seed": 0},))

    left_out = [cell for cell in made.cells() if cell.skipped is not None]

    assert [(cell.settings.batch_size, cell.settings.seed) for cell in left_out] == [(4, 0)]


def test_a_changed_plan_keeps_what_it_was_made_of() -> None:
    made = plan(BATCH, SEED)

    assert replace(made, rounds=1).cells() == made.cells()
