"""The plan of the reference report: its five tests, and the base that they share."""

from __future__ import annotations

from itertools import product

import pytest

import layerprof as lp
from layerprof.records import AxisValue, PlanTest
from layerprof.sweeping.base import PlannedCell
from layerprof.sweeping.plans import Plan, reference

TINY, FULL = "blip2-tiny", "blip2-opt-2.7b"


@pytest.fixture(scope="module")
def plan() -> Plan:
    """As it is asked for where there is a GPU."""
    return reference(FULL, 300, "hub", device="cuda")


def cells_of(plan: Plan, name: str) -> list[PlannedCell]:
    (test,) = [test for test in plan.record().tests if test.name == name]
    by_id = {cell.id: cell for cell in plan.cells()}
    return [by_id[id_] for id_ in test.cells]


def values(cells: list[PlannedCell], *axes: str) -> list[tuple[AxisValue, ...]]:
    return [tuple(cell.axes[axis] for axis in axes) for cell in cells]


def test_there_are_the_five_tests_of_the_report(plan: Plan) -> None:
    tests: tuple[PlanTest, ...] = plan.record().tests

    assert [test.name for test in tests] == ["device", "batch", "image_size", "seq_len", "optimization"]


def test_devices_are_compared_as_they_are_used_and_in_one_format(plan: Plan) -> None:
    found = values(cells_of(plan, "device"), "device", "dtype", "batch_size", "dataset")

    assert found == [
        ("cuda", "fp16", 1, "TextVQA"),
        ("cpu", "bf16", 1, "TextVQA"),
        ("cuda", "fp32", 1, "TextVQA"),
        ("cpu", "fp32", 1, "TextVQA"),
    ]


def test_batches_grow_to_sixteen(plan: Plan) -> None:
    found = values(cells_of(plan, "batch"), "batch_size", "device", "image_size", "seq_len")

    assert found == [(size, "cuda", 224, 200) for size in (1, 4, 8, 16)]


def test_pictures_are_resized_before_and_behind_the_processor_on_each_data_set(plan: Plan) -> None:
    found = values(cells_of(plan, "image_size"), "resized_to", "image_size", "dataset")

    kinds = [*((size, 224) for size in (224, 336, 448)), *((None, size) for size in (224, 336, 448))]
    assert found == [(*kind, name) for kind, name in product(kinds, ("COCO", "ScienceQA", "TextVQA"))]


@pytest.mark.parametrize("length", ["seq_len", "total_tokens", "new_tokens"])
def test_the_text_length_may_be_of_three_kinds(length: str) -> None:
    made = reference(FULL, 300, device="cuda", length=length)  # type: ignore[arg-type]  # one of its literals

    found = values(cells_of(made, "seq_len"), length, "dataset")

    assert found == list(product((200, 100, 50), ("COCO", "ScienceQA", "TextVQA")))


def test_every_optimization_is_compared_with_the_fused_attention(plan: Plan) -> None:
    cells = cells_of(plan, "optimization")

    assert [cell.settings.optimization for cell in cells] == [
        "eager",
        "sdpa",
        "sdpa_flash",
        "sdpa_efficient",
        "sdpa_math",
        "compile",
        "compile_whole",
        "flash_attention_2",
        "flash_attention_2_parts",
    ]
    assert {(cell.settings.dataset, cell.settings.batch_size) for cell in cells} == {("ScienceQA", 16)}


def test_cells_that_tests_have_in_common_are_measured_once(plan: Plan) -> None:
    in_tests = [id_ for test in plan.record().tests for id_ in test.cells]

    assert len(in_tests) == 4 + 4 + 18 + 9 + 9
    assert len(plan.cells()) == len(set(in_tests)) < len(in_tests)


def test_every_cell_is_asked_for_its_quality_and_for_the_echo(plan: Plan) -> None:
    assert all(cell.settings.quality and cell.settings.echo for cell in plan.cells())


@pytest.mark.parametrize(
    ("model", "source", "weights"),
    [
        (FULL, "hub", "pretrained"),
        (FULL, "hub@abc", "pretrained"),
        (FULL, "sample", "random"),
        (FULL, "data", "random"),
        (TINY, "hub", "random"),
    ],
)
def test_weights_are_trained_ones_where_they_and_the_data_are_published(model: str, source: str, weights: str) -> None:
    assert reference(model, 16, source, device="cpu").fixed["weights"] == weights


def test_on_a_cpu_the_presets_own_format_is_used_and_no_row_is_there_twice() -> None:
    made = reference(TINY, 16, "sample", device="cpu")

    assert values(cells_of(made, "device"), "device", "dtype") == [("cuda", "fp16"), ("cpu", "fp32"), ("cuda", "fp32")]


def test_few_samples_are_one_batch_but_for_the_batch_sizes() -> None:
    made = reference(TINY, 8, "sample", device="cpu")

    assert {cell.settings.batch_size for cell in cells_of(made, "seq_len")} == {8}
    assert [cell.skipped is not None for cell in cells_of(made, "batch")] == [False, False, False, True]


def test_a_format_and_a_device_may_be_chosen() -> None:
    made = reference(FULL, 16, "sample", device="cuda:1", dtype="bfloat16")

    assert values(cells_of(made, "device"), "device", "dtype")[:2] == [("cuda:1", "bf16"), ("cpu", "bf16")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "my.module:build"}, "use blip2-tiny or blip2-opt-2.7b, not 'my.module:build'"),
        ({"length": "characters"}, "one of seq_len, total_tokens, new_tokens; found 'characters'"),
        ({"samples": 0}, "samples is a whole number from 1 up; found 0"),
        ({"dtype": "int3"}, "dtype"),
        ({"model": ["a"]}, r"use blip2-tiny or blip2-opt-2.7b, not \['a'\]"),
        ({"length": ["seq_len"]}, r"one of seq_len, total_tokens, new_tokens; found \['seq_len'\]"),
        ({"device": 3}, "the reference's device is a word, such as 'cpu'; found 3"),
        ({"source": 5}, "the reference's source is a word, such as 'hub'; found 5"),
        ({"source": None}, "the reference's source is a word, such as 'hub'; found None"),
        ({"dtype": 16}, "the reference's dtype is a word, such as 'fp32'; found 16"),
        ({"weights": False}, "the reference's weights is a word, such as 'random'; found False"),
        ({"samples": "many"}, "samples is a whole number from 1 up; found 'many'"),
    ],
)
def test_what_cannot_be_planned_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(lp.InputError, match=message):
        made = reference(**{"device": "cpu", **arguments})  # type: ignore[arg-type]  # by the argument's name
        from layerprof.sweeping.base import require_known

        require_known(made.cells())


def test_the_device_is_this_machines_gpu_where_it_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerprof.sweeping.plans.published.has_cuda", lambda: True)
    with_gpu = reference(TINY, 16, "sample")
    monkeypatch.setattr("layerprof.sweeping.plans.published.has_cuda", lambda: False)
    without = reference(TINY, 16, "sample")

    assert {cell.settings.device for cell in cells_of(with_gpu, "batch")} == {"cuda"}
    assert {cell.settings.device for cell in cells_of(without, "batch")} == {"cpu"}
