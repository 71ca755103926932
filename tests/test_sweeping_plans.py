"""Plans: which cells they have, in what order, under which ids, and what they refuse."""

from __future__ import annotations

import subprocess
import sys

import pytest

import layerprof as lp
from layerprof.records import AxisValue
from layerprof.sweeping.base import PlannedCell, cell_from_json, cell_to_json, settings_of

TINY = "blip2-tiny"
GENERIC = "package.module:build"


def plan(**axes: tuple[AxisValue, ...]) -> lp.Plan:
    return lp.Plan(model=TINY, axes=axes)


def axes_of(cells: tuple[PlannedCell, ...], *names: str) -> list[tuple[AxisValue, ...]]:
    return [tuple(cell.axes[name] for name in names) for cell in cells]


def test_cells_are_the_product_of_the_axes_with_the_first_varying_slowest() -> None:
    cells = plan(dtype=("fp32", "bf16"), batch_size=(1, 2)).cells()

    assert axes_of(cells, "dtype", "batch_size") == [("fp32", 1), ("fp32", 2), ("bf16", 1), ("bf16", 2)]


def test_linked_axes_vary_together() -> None:
    linked = lp.Plan(
        model=TINY,
        axes={"batch_size": (1, 2), "seed": (0, 1), "samples": (4, 8)},
        links=(("batch_size", "samples"),),
    )

    cells = linked.cells()

    assert axes_of(cells, "batch_size", "samples", "seed") == [(1, 4, 0), (1, 4, 1), (2, 8, 0), (2, 8, 1)]


def test_an_excluded_cell_stays_with_its_reason() -> None:
    kept, excluded = lp.Plan(
        model=TINY, axes={"batch_size": (1, 2)}, exclude=lambda axes: axes["batch_size"] == 2
    ).cells()

    assert kept.skipped is None
    assert excluded.skipped is not None
    assert excluded.skipped.kind == "excluded"
    assert excluded.planned().status == "skipped"


def test_a_batch_that_the_samples_do_not_fill_is_skipped_with_its_reason() -> None:
    cells = lp.plans.batch(sizes=(8, 16), samples=8).cells()

    assert cells[0].skipped is None
    assert cells[1].skipped is not None
    assert cells[1].skipped.text == "8 samples do not fill a batch of 16; ask for more samples"


def test_without_samples_there_is_one_batch() -> None:
    assert axes_of(plan(batch_size=(1, 4)).cells(), "samples") == [(1,), (4,)]


def test_a_cell_carries_every_setting() -> None:
    (cell,) = plan(batch_size=(2,)).cells()

    assert dict(cell.axes) == {
        "device": "cpu",
        "dtype": None,
        "weights": "random",
        "dataset": "sample",
        "batch_size": 2,
        "samples": 2,
        "text_tokens": None,
        "seq_len": None,
        "image_size": None,
        "seed": 0,
        "warmup": None,
        "repeats": None,
    }


def test_an_id_depends_on_what_is_measured_and_not_on_how_the_plan_says_it() -> None:
    (as_axis,) = lp.Plan(model=TINY, axes={"batch_size": (2,)}, fixed={"seed": 0}).cells()
    (as_fixed,) = lp.Plan(
        model=TINY, axes={"seed": (0,)}, fixed={"batch_size": 2, "device": "cpu"}, name="other"
    ).cells()

    assert as_axis.id == as_fixed.id
    assert len(as_axis.id) == 16


def test_ids_of_different_cells_differ() -> None:
    cells = plan(batch_size=(1, 2), seed=(0, 1), dtype=(None, "fp32"), image_size=(None, 224)).cells()

    assert len({cell.id for cell in cells}) == len(cells)


def test_an_id_is_the_same_in_another_process() -> None:
    (cell,) = plan(batch_size=(2,)).cells()
    program = f"import layerprof as lp; print(lp.Plan(model={TINY!r}, axes={{'batch_size': (2,)}}).cells()[0].id)"

    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == cell.id


def test_a_cell_passes_to_another_process_whole() -> None:
    (cell,) = plan(batch_size=(2,), image_size=(336,)).cells()

    assert cell_from_json(cell_to_json(cell)) == cell


def test_a_plan_is_made_without_torch() -> None:
    program = "import sys, layerprof as lp; lp.plans.batch().cells(); assert 'torch' not in sys.modules"

    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("batch_size", 0, "batch_size is a whole number from 1 up; found 0"),
        ("batch_size", -1, "found -1"),
        ("batch_size", True, "found True"),
        ("batch_size", 2.0, "found 2.0"),
        ("batch_size", "2", "found '2'"),
        ("batch_size", None, "found None"),
        ("seed", -1, "seed is a whole number from 0 up"),
        ("repeats", 0, "repeats is a whole number from 1 up"),
        ("device", 0, "device is a word, such as cpu; found 0"),
        ("dtype", "", "dtype is a word, such as bf16"),
        ("dataset", "textvqa", "no dataset 'textvqa' in this version, only sample; those of the hub come later"),
        ("optimization", "compile", "'optimization' comes with a later version"),
        ("colour", "red", "no axis 'colour'; the known ones are device, dtype, weights, dataset, batch_size, samples"),
    ],
)
def test_an_unknown_axis_or_value_is_refused_in_one_line(name: str, value: AxisValue, message: str) -> None:
    with pytest.raises(lp.InputError) as caught:
        lp.Plan(model=TINY, axes={name: (value,)})

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("axes", "options", "message"),
    [
        ({}, {}, "a plan has axes"),
        ({"batch_size": ()}, {}, "at least one value"),
        ({"device": "cpu"}, {}, "takes a list"),
        ({"batch_size": (1, 1)}, {}, "a value twice"),
        ({"batch_size": (1,)}, {"fixed": {"batch_size": 2}}, "an axis and fixed too"),
        ({"batch_size": (1,)}, {"name": "a/b"}, "letters, digits"),
        ({"batch_size": (1, 2)}, {"links": (("batch_size",),)}, "at least two of the axes"),
        ({"batch_size": (1, 2)}, {"links": (("batch_size", "seed"),)}, "at least two of the axes"),
        ({"batch_size": (1, 2), "seed": (1,)}, {"links": (("batch_size", "seed"),)}, "as many values each"),
        ({"text_tokens": (9,)}, {"fixed": {"seq_len": 9}}, "give one of the two"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(
    axes: dict[str, tuple[AxisValue, ...]], options: dict[str, object], message: str
) -> None:
    with pytest.raises(lp.InputError, match=message):
        lp.Plan(model=TINY, axes=axes, **options)  # type: ignore[arg-type]  # one table for all options


def test_what_does_not_apply_to_a_model_with_its_own_inputs_is_refused() -> None:
    with pytest.raises(lp.InputError, match=r"batch_size does not apply to package\.module:build"):
        lp.Plan(model=GENERIC, axes={"batch_size": (1, 2)})


def test_a_model_with_its_own_inputs_has_only_the_settings_that_apply() -> None:
    (cell,) = lp.Plan(model=GENERIC, axes={"seed": (3,)}).cells()

    assert dict(cell.axes) == {"device": None, "dtype": None, "seed": 3, "warmup": None, "repeats": None}


def test_the_batch_plan_is_the_references_table() -> None:
    record = lp.plans.batch(dtype="bf16").record()

    assert record.name == "batch"
    assert record.axes == (("batch_size", (1, 4, 8, 16)),)
    assert dict(record.fixed) == {"samples": 16, "device": "cpu", "dtype": "bf16"}


def test_a_plan_cannot_be_changed() -> None:
    values = [1, 2]
    made = lp.Plan(model=TINY, axes={"batch_size": values})

    values.append(3)

    assert made.record().axes == (("batch_size", (1, 2)),)


def test_settings_resolve_the_device_of_a_preset() -> None:
    assert settings_of(TINY, {}).device == "cpu"
    assert settings_of(GENERIC, {}).device is None
