"""Plans: which cells they have, in what order, under which ids, and what they refuse."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import layerprof as lp
from layerprof.records import AxisValue, FrozenMapping
from layerprof.sweeping.base import (
    PlannedCell,
    cell_from_json,
    cell_of,
    cell_to_json,
    reason_to_skip,
    require_known,
    settings_of,
)
from layerprof.sweeping.plans import read_plan
from layerprof.sweeping.plans.base.mappings import from_yaml

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
        "optimization": None,
        "device_type": None,
        "threads": None,
        "quick": False,
        "trace": False,
        "allow_nan": False,
        "source": None,
        "total_tokens": None,
        "resized_to": None,
        "new_tokens": None,
        "quality": False,
        "max_new_tokens": None,
        "echo": False,
    }


@pytest.mark.parametrize(
    ("model", "settings", "expected"),
    [
        (TINY, {}, "59c924e176b1e942"),
        (TINY, {"batch_size": 4, "dtype": "bf16", "optimization": "sdpa", "quick": True}, "f34fe6705de76530"),
        (TINY, {"batch_size": 4, "dtype": "bfloat16", "optimization": "sdpa", "quick": True}, "f34fe6705de76530"),
        (GENERIC, {"seed": 3, "threads": 2}, "35f29bb34e0c00e9"),
        (GENERIC, {"seed": 3, "threads": 2, "allow_nan": False}, "35f29bb34e0c00e9"),
        (GENERIC, {"device": "cpu:0", "allow_nan": True}, "a343c80dbcc8ba22"),
    ],
)
def test_the_ids_of_the_first_identity_never_change(
    model: str, settings: Mapping[str, AxisValue], expected: str
) -> None:
    assert PlannedCell(model=model, settings=settings_of(model, settings)).id == expected


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
        ("seed", 2**63, "seed is at most 2**63 - 1; found 9223372036854775808"),
        ("device", "cpu:1", "no device 'cpu:1': all of a machine's processors are the one device cpu"),
        ("allow_nan", "yes", "allow_nan is True or False; found 'yes'"),
        ("repeats", 0, "repeats is a whole number from 1 up"),
        ("device", 0, "device is a word, such as cpu; found 0"),
        ("dtype", "", "dtype is a word, such as bf16"),
        ("dataset", "imagenet", "no dataset 'imagenet'; there are sample, TextVQA, ScienceQA, COCO"),
        ("optimization", "fast", "no optimization 'fast'; there are eager, sdpa, sdpa_flash"),
        ("threads", 0, "threads is a whole number from 1 up"),
        ("quick", 1, "quick is True or False; found 1"),
        ("trace", None, "trace is True or False; found None"),
        ("device_type", "", "device_type is a word, such as H200"),
        (
            "colour",
            "red",
            "no axis 'colour'; the known ones are device, dtype, weights, dataset, source, batch_size, samples",
        ),
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
        ({"batch_size": (1, 2)}, {"links": 5}, "at least two of the axes"),
        ({"batch_size": (1, 2)}, {"links": ("batch_size", "seed")}, "at least two of the axes"),
        ({"text_tokens": (9,)}, {"fixed": {"seq_len": 9}}, "text_tokens and seq_len are given: .* give one of them"),
        ({"batch_size": (1,)}, {"rounds": 0}, "rounds are a whole number from 1 up; found 0"),
        ({"batch_size": (1,)}, {"rounds": True}, "rounds are a whole number from 1 up; found True"),
        ({"batch_size": (1,)}, {"timeout_s": 0}, "timeout_s is seconds above 0, or None for no limit; found 0"),
        ({"batch_size": (1,)}, {"hang_s": "1 h"}, "hang_s is seconds above 0, or None for no limit; found '1 h'"),
        ({"batch_size": (1,)}, {"hang_s": float("nan")}, "hang_s is seconds above 0"),
        ({"batch_size": (1,)}, {"exclude": {"batch_size": 1}}, "exclude is a function"),
        ({"batch_size": (1,)}, {"exclude": [{}]}, "exclude is a function"),
        ({"batch_size": (1,)}, {"exclude": [{"colour": "red"}]}, "no axis 'colour'"),
        (
            {"batch_size": (1,)},
            {"exclude": [{"batch_size": "1"}]},
            "exclude: batch_size is a whole number .* found '1'",
        ),
        ({"batch_size": (1,)}, {"exclude": [{"batch_size": [1, None]}]}, "exclude: batch_size .* found None"),
        ({"quick": (True, False)}, {"exclude": [{"quick": 1}]}, "exclude: quick is True or False; found 1"),
        ({"batch_size": (1, 2)}, {"exclude": [{"batch_size": [2, 3]}]}, "no cell of the plan has batch_size 3; they h"),
        ({"batch_size": (1,)}, {"exclude": [{"batch_size": []}]}, "has batch_size of an empty list"),
        ({"seed": tuple(range(20))}, {"exclude": [{"seed": 99}]}, "seed 99; they have 0, 1, 2, 3, 4, 5, 6, 7, …"),
        (
            {"device": ("cuda:0",)},
            {"exclude": [{"device": "cuda"}]},
            "no cell of the plan has device cuda; they have cuda:0; a kind alone does not stand for cuda:0",
        ),
        (
            {"batch_size": (1, 2), "seed": (1, 2)},
            {"links": (("batch_size", "seed"),), "exclude": [{"batch_size": 1, "seed": [2]}]},
            "no cell of the plan has all of batch_size 1, seed 2",
        ),
        ({"dtype": ("bf16", "bfloat16")}, {}, r"the axis 'dtype' has a value twice: \['bf16', 'bfloat16'\]"),
        ({"device": ("cpu", "cpu:0")}, {}, "the axis 'device' has a value twice"),
        (
            {"batch_size": (1, 1), "seed": (2, 2)},
            {"links": (("batch_size", "seed"),)},
            r"the linked axes batch_size, seed have the values \(1, 2\) twice",
        ),
        (
            {"device": (None, "cpu"), "seed": (0,)},
            {},
            "two points of the plan are the same cell: device None, seed 0 and device cpu, seed 0; leave out one",
        ),
        ({"samples": (None, 1)}, {}, "the same cell: samples None and samples 1"),
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

    assert dict(cell.axes) == {
        "device": None,
        "dtype": None,
        "seed": 3,
        "warmup": None,
        "repeats": None,
        "device_type": None,
        "threads": None,
        "quick": False,
        "trace": False,
        "allow_nan": False,
    }


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


def test_a_plan_keeps_its_rounds_and_limits() -> None:
    record = lp.Plan(model=TINY, axes={"batch_size": (1,)}, rounds=5, timeout_s=None, hang_s=60).record()

    assert (record.rounds, record.timeout_s, record.hang_s) == (5, None, 60)


def test_every_cell_is_run_three_times_unless_something_else_is_asked_for() -> None:
    assert plan(batch_size=(1,)).record().rounds == 3


def test_a_quick_look_is_one_run_of_quick_cells() -> None:
    usual = lp.Plan(model=TINY, axes={"batch_size": (1, 2)}, fixed={"seed": 1}, name="mine")

    quick = usual.quick()

    assert (quick.name, quick.rounds) == ("mine", 1)
    assert axes_of(quick.cells(), "batch_size", "seed", "quick") == [(1, 1, True), (2, 1, True)]
    assert {cell.id for cell in quick.cells()}.isdisjoint(cell.id for cell in usual.cells())


def test_a_plan_with_quick_as_an_axis_is_not_made_quick() -> None:
    with pytest.raises(lp.InputError, match="'quick' is an axis of the plan 'plan' already"):
        plan(quick=(True, False)).quick()


def skipped_of(made: lp.Plan) -> list[str | None]:
    return [None if cell.skipped is None else cell.skipped.kind for cell in made.cells()]


def test_a_cell_that_has_all_of_a_mapping_is_excluded() -> None:
    made = lp.Plan(
        model=TINY,
        axes={"dtype": ("fp32", "bf16", "fp16"), "batch_size": (1, 8)},
        exclude=[{"batch_size": 8, "dtype": ["bf16", "fp16"]}],
    )

    assert skipped_of(made) == [None, None, None, "excluded", None, "excluded"]


def test_a_cell_is_excluded_by_any_of_several_mappings() -> None:
    made = lp.Plan(model=TINY, axes={"batch_size": (1, 2, 4)}, exclude=[{"batch_size": 1}, {"batch_size": 4}])

    assert skipped_of(made) == ["excluded", None, "excluded"]


@pytest.mark.parametrize("asked", ["fp32", "float32"])
def test_a_cell_is_excluded_by_any_name_of_its_dtype(asked: str) -> None:
    made = lp.Plan(model=TINY, axes={"dtype": ("float32", "bf16")}, exclude=[{"dtype": asked}])

    assert skipped_of(made) == ["excluded", None]


def test_what_a_command_may_set_may_be_excluded_where_no_cell_has_it() -> None:
    made = lp.Plan(model=TINY, axes={"batch_size": (1, 2)}, exclude=[{"batch_size": 2, "quick": True}])

    assert skipped_of(made) == [None, None]
    assert skipped_of(made.quick()) == [None, "excluded"]


def test_settings_that_two_names_stand_for_are_kept_by_one() -> None:
    made = lp.Plan(model=TINY, axes={"dtype": ("bfloat16", "fp32")}, fixed={"device": "cpu:0"})

    assert axes_of(made.cells(), "dtype", "device") == [("bf16", "cpu"), ("fp32", "cpu")]
    assert made.record().axes == (("dtype", ("bf16", "fp32")),)
    assert dict(made.record().fixed) == {"device": "cpu"}


def test_linked_axes_may_have_a_value_twice() -> None:
    made = lp.Plan(model=TINY, axes={"batch_size": (1, 1, 2), "samples": (4, 8, 8)}, links=(("batch_size", "samples"),))

    assert axes_of(made.cells(), "batch_size", "samples") == [(1, 4), (1, 8), (2, 8)]


def test_the_largest_seed_is_a_setting() -> None:
    assert settings_of(TINY, {"seed": 2**63 - 1}).seed == 2**63 - 1


def test_a_function_that_raises_is_an_error_of_the_plan() -> None:
    made = lp.Plan(model=TINY, axes={"batch_size": (1,)}, exclude=lambda axes: bool(axes["colour"]))

    with pytest.raises(lp.InputError, match="exclude raised KeyError: 'colour'; for the cell with device cpu"):
        made.cells()


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"optimization": "flash_attention_2", "dtype": "bf16"}, "unsupported", "no CPU kernels"),
        ({"optimization": "flash_attention_2", "device": "cuda"}, "unsupported", "this cell is in float32"),
        ({"optimization": "flash_attention_2", "device": "cuda", "dtype": "fp32"}, "unsupported", "fp16 or bf16"),
        ({"optimization": "flash_attention_2", "device": "cuda", "dtype": "bf16"}, "unsupported", "Q-Former does not"),
        ({"optimization": "flash_attention_2", "device": "cuda", "dtype": "fp16"}, "unsupported", "2_parts sets it in"),
        (
            {"optimization": "flash_attention_2_parts", "dtype": "bf16"},
            "unsupported",
            "leave out flash_attention_2_parts",
        ),
        ({"optimization": "flash_attention_2_parts", "device": "cuda"}, "unsupported", "this cell is in float32"),
        ({"optimization": "sdpa_efficient"}, "unsupported", "no memory-efficient attention kernel for CPUs"),
        ({"optimization": "sdpa_flash", "device": "cuda"}, "unsupported", "flash kernel for CUDA takes fp16 or bf16"),
        ({"optimization": "sdpa_flash", "device": "cuda", "dtype": "fp16"}, "unsupported", "Q-Former stays in float32"),
        ({"total_tokens": 32}, "invalid", "the picture takes 32 of them"),
        ({"image_size": 13}, "invalid", "less than one patch of 14 pixels"),
        ({"text_tokens": 2000, "new_tokens": 17}, "invalid", "2049 tokens, the picture's 32 included"),
        ({"device": "cuda:1", "threads": 2}, "invalid", "threads are a CPU cell's, and this one is on cuda:1"),
        ({"batch_size": 4, "samples": 2}, "invalid", "2 samples do not fill a batch of 4"),
    ],
)
def test_settings_that_clash_make_a_visible_row(settings: Mapping[str, AxisValue], kind: str, words: str) -> None:
    (cell,) = lp.Plan(model=TINY, axes={"seed": (0,)}, fixed=settings).cells()

    assert cell.skipped is not None
    assert cell.skipped.kind == kind
    assert words in cell.skipped.text


@pytest.mark.parametrize(
    "settings",
    [
        {"optimization": "flash_attention_2_parts", "device": "cuda", "dtype": "fp16"},
        {"optimization": "sdpa"},
        {"optimization": "sdpa_flash"},
        {"optimization": "sdpa_flash", "device": "cuda", "dtype": "bf16"},
        {"optimization": "sdpa_efficient", "device": "cuda"},
        {"optimization": "sdpa_math"},
        {"optimization": "compile"},
        {"total_tokens": 33},
        {"image_size": 14},
        {"text_tokens": 2000, "new_tokens": 16},
        {"threads": 2},
        {"quick": True, "trace": True},
    ],
)
def test_settings_that_go_together_are_measured(settings: Mapping[str, AxisValue]) -> None:
    assert reason_to_skip(PlannedCell(model=TINY, settings=settings_of(TINY, settings))) is None


def test_flash_attention_is_not_refused_for_a_preset_that_is_built_in_bf16() -> None:
    settings = settings_of("blip2-opt-2.7b", {"optimization": "flash_attention_2_parts", "device": "cuda"})

    assert reason_to_skip(PlannedCell(model="blip2-opt-2.7b", settings=settings)) is None


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lp.Plan(model="blip2-small", axes={"seed": (0,)}), "no model 'blip2-small'; the presets are blip2-"),
        (plan(dtype=("fp32", "int3")), "no dtype 'int3'; use one of fp32, float32"),
        (plan(device=("cpu", "abacus")), "no device 'abacus'; use cpu, cuda or cuda:<number>"),
        (plan(device=("cuda:-1",)), "no device 'cuda:-1'"),
    ],
)
def test_names_that_there_are_not_are_told_without_torch(made: lp.Plan, message: str) -> None:
    with pytest.raises(lp.InputError, match=message):
        require_known(made.cells())


def test_names_that_there_are_pass_whether_or_not_the_device_is_here() -> None:
    require_known(plan(device=("cpu", "cuda", "cuda:7", "mps"), dtype=(None, "bf16")).cells())
    require_known(lp.Plan(model=GENERIC, axes={"seed": (0,)}).cells())


def test_a_cell_comes_back_from_what_a_sweep_stores() -> None:
    made = lp.Plan(model=TINY, axes={"batch_size": (1, 2)}, fixed={"dtype": "bf16"}, exclude=[{"batch_size": 2}])

    for cell in made.cells():
        assert cell_of(made.record(), cell.planned()) == cell


def test_a_stored_cell_that_would_be_another_now_is_refused() -> None:
    made = plan(batch_size=(1,))
    stored = dataclasses.replace(made.cells()[0].planned(), id="0" * 16)

    with pytest.raises(lp.RecordError, match="planned by another version of layerprof"):
        cell_of(made.record(), stored)


def test_a_stored_cell_with_a_setting_that_there_is_not_is_refused() -> None:
    made = plan(batch_size=(1,))
    stored = dataclasses.replace(made.cells()[0].planned(), axes=FrozenMapping[AxisValue]({"colour": "red"}))

    with pytest.raises(lp.RecordError, match="no axis 'colour'"):
        cell_of(made.record(), stored)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plan_is_read_from_yaml(tmp_path: Path) -> None:
    text = """
        model: blip2-tiny
        axes: {batch_size: [1, 4], dtype: [fp32, bf16]}
        fixed: {samples: 8}
        exclude:
          - {batch_size: 4, dtype: [bf16]}
        rounds: 2
        timeout_s: null
    """

    made = read_plan(written(tmp_path / "plan.yaml", text))

    assert (made.rounds, made.timeout_s, made.hang_s) == (2, None, 900.0)
    assert skipped_of(made) == [None, None, None, "excluded"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("010", 10), ("0o10", 8), ("0x10", 16), ("+3", 3), ("'3'", "3"), ("3", 3)],
)
def test_whole_numbers_are_read_as_the_newer_yaml_has_them(text: str, value: AxisValue) -> None:
    assert from_yaml(f"[{text}]") == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e3", 1000.0), ("1.5", 1.5), (".5", 0.5), ("-.inf", float("-inf")), ("1_0", "1_0"), ("-", "-")],
)
def test_other_numbers_are_read_as_the_newer_yaml_has_them(text: str, value: AxisValue) -> None:
    assert from_yaml(f"value: {text}" if text != "-" else "value: '-'") == {"value": value}


def test_a_mapping_of_yaml_may_take_in_another() -> None:
    assert from_yaml("one: &one {a: 1}\ntwo: {<<: *one, b: 2}") == {"one": {"a": 1}, "two": {"a": 1, "b": 2}}


def test_a_plan_is_read_from_python(tmp_path: Path) -> None:
    text = f"import layerprof as lp\nplan = lp.Plan(model={TINY!r}, axes={{'batch_size': (1, 2)}})"

    assert read_plan(written(tmp_path / "plan.py", text)) == plan(batch_size=(1, 2))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("plan.txt", "", "give a .py file with a `plan`, or a .yaml file"),
        ("plan.py", "x = 1", "has no `plan` that is a layerprof.Plan; found NoneType"),
        ("plan.py", "1 / 0", "could not be run: ZeroDivisionError"),
        ("plan.py", "raise SystemExit(3)", "could not be run: SystemExit: 3"),
        ("plan.yaml", "model: [", "could not be read as YAML"),
        ("plan.yml", "- 1", "has to be a mapping of model, axes, fixed, links, exclude, name, rounds"),
        ("plan.yml", "{model: blip2-tiny, axes: {seed: [0]}, repeat: 3}", "has to be a mapping of"),
        ("plan.yml", "{model: blip2-tiny, axes: {seed: [0]}, exclude: {seed: 0}}", "exclude is a function"),
        ("plan.yml", "{model: blip2-tiny, axes: {seed: [0]}, axes: {seed: [1]}}", "the key 'axes' is there twice"),
        ("plan.yml", "{model: blip2-tiny, axes: {seed: [0], seed: [1]}}", "the key 'seed' is there twice"),
        ("plan.yml", "{model: blip2-tiny, axes: {seed: [1:30]}}", "seed is a whole number from 0 up; found '1:30'"),
        ("plan.yml", "{model: blip2-tiny, axes: {seed: [2024-13-45]}}", "could not be read as YAML: month must be"),
    ],
)
def test_a_file_without_a_plan_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(lp.InputError, match=message):
        read_plan(written(tmp_path / name, text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lp.InputError, match="there is no file"):
        read_plan(tmp_path / "plan.yaml")


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the peak is read as Linux tells it")
def test_a_large_plan_is_made_with_little_memory() -> None:
    program = f"""
import sys
from pathlib import Path
import layerprof as lp
made = lp.Plan(model={TINY!r}, axes={{"seed": tuple(range(2500)), "batch_size": (1, 2), "dtype": ("fp32", "bf16")}})
cells = [cell.planned() for cell in made.cells()]
assert len({{cell.id for cell in cells}}) == 10_000
assert "torch" not in sys.modules
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line))
"""  # not getrusage, whose peak a process inherits from the one that started it
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert int(done.stdout) * 1024 < 300 * 2**20
