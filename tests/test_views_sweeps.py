"""The tables of a sweep of several tests: their order, their columns, their reasons, and what they leave out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from reference_sweeps import ENVIRONMENT, cell_of, small_sweep
from sweep_rows import changed, names, row_of, table_of, value_of, with_metrics

from layerprof.records import (
    AnalysisRecord,
    AxisValue,
    CellFailure,
    CellRecord,
    Finding,
    FrozenMapping,
    PlanTest,
    SweepRecord,
)
from layerprof.views import Amount, sweep_table, sweep_tables

DATASETS = ("COCO", "ScienceQA", "TextVQA")
RANDOM = "Weights are random: quality figures are of an untrained model."


def test_what_was_published_comes_first_then_findings_and_then_each_test_in_full() -> None:
    finding = Finding(test="batch", kind="growth", scope="", text="latency grows")

    titles = [
        table.title for table in sweep_tables(replace(small_sweep(), analysis=AnalysisRecord(findings=(finding,))))
    ]

    assert titles == [
        "Device, as published",
        "Batch size, as published",
        "Image size, resized before the processor (as published)",
        "Image size, true size, positions interpolated",
        "Sequence length (text tokens at most), as published",
        "Optimization, as published",
        "Findings",
        "Device, in full",
        "Batch size, in full",
        *(f"Image size, in full: {dataset}" for dataset in DATASETS),
        *(f"Sequence length (text tokens at most), in full: {dataset}" for dataset in DATASETS),
        "Optimization, in full",
        "What the figures are",
    ]


def test_each_table_of_a_test_knows_its_test() -> None:
    tests = [table.test for table in sweep_tables(small_sweep())]

    order = ["device", "batch", "image_size", "seq_len", "optimization"]
    assert list(dict.fromkeys(tests)) == [*order, ""]
    assert tests[-1] == ""


def test_a_plan_without_tests_has_the_one_table_of_its_cells() -> None:
    record = small_sweep()
    plain = replace(record, plan=replace(record.plan, tests=()))

    assert sweep_tables(plain) == (sweep_table(plain),)


@pytest.mark.parametrize(
    ("title", "columns"),
    [
        ("Device, as published", ["device", "latency", "energy per sample", "FLOPs"]),
        ("Batch size, as published", ["batch_size", "latency (per batch)", "energy (per sample)"]),
        (
            "Sequence length (text tokens at most), as published",
            [
                "seq_len",
                *(f"{data} {what}" for data in DATASETS for what in ("WER", "WER, prompt echoed", "latency")),
            ],
        ),
        (
            "Optimization, as published",
            ["optimization", "latency", "% of latency", "FLOPs", "% of FLOPs", "energy per sample", "% of energy"],
        ),
    ],
)
def test_compact_tables_have_the_published_columns_in_their_order(title: str, columns: list[str]) -> None:
    assert names(table_of(small_sweep(), title)) == columns


def test_the_last_batch_stands_beside_the_mean_of_all_with_its_samples() -> None:
    record = small_sweep()
    metrics = cell_of(record, "batch", batch_size=16).metrics
    table = table_of(record, "Batch size, in full")

    row = row_of(table, "16")

    assert value_of(table, row, "FLOPs per batch") == metrics["flops"]
    assert value_of(table, row, "FLOPs of last batch") == metrics["flops_last_batch"] != metrics["flops"]
    assert value_of(table, row, "samples in it") == 20 % 16


def test_resized_pictures_and_true_sizes_are_two_tables() -> None:
    record = small_sweep()
    resized, true = (table for table in sweep_tables(record) if table.title.startswith("Image size, ")
                     and "full" not in table.title)  # fmt: skip

    assert [row.cells[0] for row in resized.rows] == [row.cells[0] for row in true.rows] == ["224", "336", "448"]
    for table, axes in ((resized, {"resized_to": 448}), (true, {"resized_to": None, "image_size": 448})):
        latency = value_of(table, row_of(table, "448"), "COCO latency")
        cell = cell_of(record, "image_size", dataset="COCO", **axes)
        assert isinstance(latency, Amount)
        assert latency.value == cell.metrics["latency_s"]


def test_a_pivot_has_the_kind_of_a_failure_in_the_place_of_the_rate() -> None:
    record = small_sweep()
    cell = cell_of(record, "seq_len", dataset="COCO", seq_len=50)
    failure = CellFailure(kind="oom_host", text="no memory was left")

    table = table_of(
        changed(record, cell, status="failed", failure=failure, metrics=FrozenMapping()),
        "Sequence length (text tokens at most), as published",
    )

    row = row_of(table, "50")
    assert value_of(table, row, "COCO WER") == "oom_host"
    assert value_of(table, row, "COCO latency") is None
    assert isinstance(value_of(table, row, "TextVQA WER"), Amount)
    assert row.role == "body"
    assert "COCO 50: failed (oom_host): no memory was left." in table.footnotes


def test_a_cell_to_come_says_so() -> None:
    record = small_sweep()
    cell = cell_of(record, "seq_len", dataset="COCO", seq_len=50)

    table = table_of(
        changed(record, cell, status="pending", metrics=FrozenMapping(), runs_done=0),
        "Sequence length (text tokens at most), as published",
    )

    assert value_of(table, row_of(table, "50"), "COCO WER") == "pending"


@pytest.mark.parametrize(
    ("axis", "words"),
    [("total_tokens", "tokens at most, those of the picture included"), ("new_tokens", "new tokens")],
)
def test_the_title_tells_which_length_is_meant(axis: str, words: str) -> None:
    record = small_sweep()
    (test,) = (test for test in record.plan.tests if test.name == "seq_len")
    renamed = replace(test, axes=tuple((axis if name == "seq_len" else name, values) for name, values in test.axes))
    cells = tuple(replace(cell, axes=FrozenMapping({**cell.axes, axis: cell.axes["seq_len"]})) for cell in record.cells)

    tables = sweep_tables(replace(record, cells=cells, plan=replace(record.plan, tests=(renamed,))))

    assert tables[0].title == f"Sequence length ({words}), as published"
    assert [row.cells[0] for row in tables[0].rows] == ["200", "100", "50"]


def test_lengths_that_texts_really_have_stand_in_the_full_table() -> None:
    table = table_of(small_sweep(), "Sequence length (text tokens at most), in full: ScienceQA")

    row = row_of(table, "50")

    assert value_of(table, row, "text tokens, mean") == 50.0
    assert value_of(table, row, "cut samples") == 1.0
    assert value_of(table, row_of(table, "200"), "cut samples") == 0.0


@pytest.mark.parametrize(
    "title",
    ["Device, in full", "Batch size, in full", "Optimization, in full", "Image size, in full: COCO"],
)
def test_the_echoed_rate_has_a_column_only_where_it_was_asked_for(title: str) -> None:
    record = small_sweep()

    assert "WER, prompt echoed" in names(table_of(record, title))
    assert "WER, prompt echoed" not in names(table_of(without(record, "wer_echo"), title))


def test_a_pivot_has_the_rate_that_was_published_beside_that_of_the_answers_alone() -> None:
    record = small_sweep()
    metrics = cell_of(record, "seq_len", dataset="ScienceQA", seq_len=50).metrics
    table = table_of(record, "Sequence length (text tokens at most), as published")

    row = row_of(table, "50")

    alone = value_of(table, row, "ScienceQA WER")
    assert isinstance(alone, Amount)
    assert alone.value == metrics["wer"] != metrics["wer_echo"]
    assert value_of(table, row, "ScienceQA WER, prompt echoed") == metrics["wer_echo"]


@pytest.mark.parametrize(("metric", "words"), [("", "as “WER, prompt echoed” is"), ("wer_echo", "not asked for here")])
def test_what_the_published_rate_is_of_stands_once_below_the_first_table_that_has_one(metric: str, words: str) -> None:
    tables = sweep_tables(without(small_sweep(), metric))

    said = [table.title for table in tables for line in table.footnotes if line.startswith("WER: ") and words in line]

    assert said == ["Image size, resized before the processor (as published)"]


def test_a_table_without_any_rate_says_nothing_of_the_published_one() -> None:
    tables = sweep_tables(without(small_sweep(), "wer"))

    assert not [line for table in tables for line in table.footnotes if line.startswith("WER: ")]


def test_what_the_published_flops_are_of_stands_below_the_first_compact_table_that_has_them() -> None:
    first, *others = sweep_tables(small_sweep())

    (line,) = (line for line in first.footnotes if line.startswith("FLOPs: "))

    assert "last batch alone" in line
    assert not [line for table in others for line in table.footnotes if line.startswith("FLOPs: ")]


def test_a_rate_without_an_interval_keeps_its_digits_in_a_compact_table() -> None:
    record = small_sweep()
    cell = cell_of(record, "seq_len", dataset="COCO", seq_len=50)
    table = table_of(
        with_metrics(record, cell, wer=10.0, wer_low=None, wer_high=None),
        "Sequence length (text tokens at most), as published",
    )

    assert value_of(table, row_of(table, "50"), "COCO WER") == Amount(value=10.0, form="interval")


def without(record: SweepRecord, metric: str) -> SweepRecord:
    """The same sweep, of which a metric was not measured."""

    def bare(cell: CellRecord) -> CellRecord:
        return replace(cell, metrics=FrozenMapping({n: v for n, v in cell.metrics.items() if n != metric}))

    return replace(record, cells=tuple(map(bare, record.cells)))


def test_random_weights_are_named_below_the_first_table_with_quality_and_in_the_definitions() -> None:
    record = small_sweep()
    pretrained = replace(
        record,
        cells=tuple(
            replace(cell, axes=FrozenMapping[AxisValue]({**cell.axes, "weights": "pretrained"}))
            for cell in record.cells
        ),
    )

    tables = sweep_tables(record)

    first = next(table for table in tables if any("WER" in column.name for column in table.columns))
    assert [table.title for table in tables if RANDOM in table.footnotes] == [first.title]
    assert ("weights", "random: quality figures are of an untrained model") in [row.cells for row in tables[-1].rows]
    assert not any(RANDOM in table.footnotes for table in sweep_tables(pretrained))
    assert ("weights", "pretrained") in [row.cells for row in sweep_tables(pretrained)[-1].rows]


def test_a_weak_number_is_marked_below_a_table_without_a_status() -> None:
    assert "batch_size 8: done (unsteady)." in table_of(small_sweep(), "Batch size, as published").footnotes


def test_what_a_tests_cells_share_stands_below_its_table_without_what_is_not_set() -> None:
    (fixed,) = (line for line in table_of(small_sweep(), "Batch size, as published").footnotes if "Fixed" in line)

    assert "dataset TextVQA" in fixed
    assert "batch_size" not in fixed
    assert "None" not in fixed


def test_what_all_tests_share_stands_once_in_the_definitions() -> None:
    *others, definitions = sweep_tables(small_sweep())

    (line,) = (line for line in definitions.footnotes if line.startswith("Fixed in all tests: "))

    assert "weights random" in line
    assert "dataset" not in line
    assert "batch_size" not in line
    fixed = [each for table in others for each in table.footnotes if each.startswith("Fixed: ")]
    assert fixed
    assert not [each for each in fixed if "weights" in each]


def test_a_plan_of_one_test_has_all_that_is_fixed_below_its_table() -> None:
    record = small_sweep()
    (test,) = (test for test in record.plan.tests if test.name == "batch")

    first, *others = sweep_tables(replace(record, plan=replace(record.plan, tests=(test,))))

    assert any("weights random" in line for line in first.footnotes if line.startswith("Fixed: "))
    assert not any(line.startswith("Fixed in all") for table in others for line in table.footnotes)


def test_the_kinds_of_picture_size_are_told_apart_below_the_first_full_table() -> None:
    titles = [
        table.title for table in sweep_tables(small_sweep()) if any("true size: " in line for line in table.footnotes)
    ]

    assert titles == ["Image size, in full: COCO"]


def test_a_test_that_is_not_known_has_the_table_of_its_axes_and_metrics() -> None:
    record = small_sweep()
    cells = [cell_of(record, "batch", batch_size=size) for size in (4, 8)]
    test = PlanTest(
        name="mine",
        axes=(("batch_size", (4, 8)),),
        fixed=FrozenMapping[AxisValue]({"device": "cpu"}),
        cells=tuple(cell.id for cell in cells),
    )

    table = table_of(replace(record, plan=replace(record.plan, tests=(test,))), "mine")

    assert names(table)[:2] == ["batch_size", "latency"]
    assert [row.cells[0] for row in table.rows] == ["4", "8"]
    assert table.footnotes == ("Fixed: device cpu.",)


def test_another_setting_that_varies_in_a_known_test_has_a_column_of_its_own() -> None:
    record = small_sweep()
    cells = [cell_of(record, "device", device="cpu", dtype=dtype) for dtype in (None, "fp32")]
    test = PlanTest(
        name="batch", axes=(("dtype", (None, "fp32")),), fixed=FrozenMapping(), cells=tuple(cell.id for cell in cells)
    )

    table = table_of(replace(record, plan=replace(record.plan, tests=(test,))), "Batch size, as published")

    assert names(table)[:2] == ["batch_size", "dtype"]
    assert [row.cells[1] for row in table.rows] == ["None", "fp32"]


def test_a_long_test_shows_its_first_cells_and_says_where_the_others_are() -> None:
    tables = {table.title: table for table in sweep_tables(small_sweep(), most_rows=3)}

    assert len(tables["Batch size, in full"].rows) == 3
    assert "… 1 more in reference.csv." in tables["Batch size, in full"].footnotes


def test_cells_of_several_environments_are_told_apart() -> None:
    record = small_sweep()
    elsewhere = changed(record, cell_of(record, "batch", batch_size=4), environment="f" * 32)

    table = table_of(elsewhere, "Batch size, in full")

    assert [value_of(table, row, "environment") for row in table.rows] == [ENVIRONMENT[:8], "f" * 8] + [
        ENVIRONMENT[:8]
    ] * 2
    assert "environment" not in names(table_of(record, "Batch size, in full"))


def test_a_cell_that_the_plan_names_and_the_sweep_lacks_is_left_out() -> None:
    record = small_sweep()
    gone = cell_of(record, "batch", batch_size=4)

    table = table_of(
        replace(record, cells=tuple(cell for cell in record.cells if cell.id != gone.id)), "Batch size, in full"
    )

    assert [row.cells[0] for row in table.rows] == ["1", "8", "16"]
