"""Published figures: read, and set beside ours with what the two differ in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from reference_published import PUBLISHED_SAMPLES, compared, content, on_a_gpu, one, published
from reference_sweeps import NO_CUDA, SAMPLES, cell_of, small_sweep

from layerprof.analysis import analysed
from layerprof.analysis.published import published_figures
from layerprof.analysis.published.base import parsed_flops
from layerprof.records import FrozenMapping, Note


@pytest.mark.parametrize(
    ("printed", "flops"), [("751.3 GFLOPS", 751.3e9), ("12.8 TFLOPS", 12.8e12), ("3.15 T", 3.15e12), ("7", 7.0)]
)
def test_printed_flops_are_parsed(printed: str, flops: float) -> None:
    assert parsed_flops(printed) == pytest.approx(flops)


@pytest.mark.parametrize("printed", ["", "many", "1.2 TFLOPS/s", "T"])
def test_a_text_that_is_no_amount_is_refused(printed: str) -> None:
    with pytest.raises(ValueError, match="no amount of FLOPs"):
        parsed_flops(printed)


def test_each_table_has_the_rows_that_were_printed() -> None:
    tables = content()["rounded_tables"]

    found = {test.name: len(test.cells) for test in published_figures("reference").tests}

    data_sets = 3  # of the pivoted tables, each printed row has one cell of each
    pivoted = ("image_size", "seq_len")
    assert found == {name: len(table["rows"]) * (data_sets if name in pivoted else 1) for name, table in tables.items()}


def test_a_gpu_is_compared_with_the_gpu() -> None:
    record = on_a_gpu(small_sweep(), weights="pretrained", source="hub", samples=PUBLISHED_SAMPLES)
    theirs = published(dataset="TextVQA", device="cuda", batch_size=4)

    found = one(compared(record), "batch", "batch_size 4", "latency_s")

    assert found.published == theirs["latency_s"]
    assert found.ours == cell_of(record, "batch", batch_size=4).metrics["latency_s"]
    assert found.remark == "their GPU is not named"


def test_a_cpu_is_compared_with_the_cpu_row_alone() -> None:
    analysis = compared(small_sweep())

    first = one(analysis, "batch", "batch_size 1", "energy_j_per_sample")
    second = one(analysis, "batch", "batch_size 4", "energy_j_per_sample")

    assert first.published == published(dataset="TextVQA", device="cpu")["energy_j_per_sample"]
    assert second.published is None
    assert "published for cuda in batches of 4 alone (2.94 J), ours is of cpu" in second.remark


def test_flops_are_of_as_many_samples_as_their_last_batch() -> None:
    record = small_sweep()
    cell = cell_of(record, "batch", batch_size=16)
    samples = PUBLISHED_SAMPLES % 16

    found = one(compared(record), "batch", "batch_size 16", "flops_last_batch")

    each = cell.metrics["flops_per_sample"]
    assert each is not None
    assert found.ours == each * samples
    assert f"ours per sample times {samples}" in found.remark
    assert f"as our last batch has {SAMPLES % 16}" in found.remark


def test_flops_of_an_equal_last_batch_are_compared_as_they_are() -> None:
    record = small_sweep()

    found = one(compared(record), "batch", "batch_size 8", "flops_last_batch")

    assert SAMPLES % 8 == PUBLISHED_SAMPLES % 8
    assert found.ours == cell_of(record, "batch", batch_size=8).metrics["flops_last_batch"]
    assert "times" not in found.remark


def test_the_error_rate_with_the_prompt_is_compared_and_ours_stands_beside() -> None:
    record = small_sweep()
    analysis = compared(record)
    cell = cell_of(record, "batch", batch_size=1)

    echoed = one(analysis, "batch", "batch_size 1", "wer_echo")
    alone = one(analysis, "batch", "batch_size 1", "wer")

    assert echoed.ours == cell.metrics["wer_echo"]
    assert echoed.published == published(dataset="TextVQA", device="cpu")["wer"]
    assert "random weights" in echoed.remark
    assert (alone.ours, alone.published) == (cell.metrics["wer"], None)
    assert "of prompt and answer together" in alone.remark


def test_a_resized_picture_stands_beside_the_published_size() -> None:
    record = small_sweep()
    cell = cell_of(record, "image_size", resized_to=448, dataset="COCO")
    marked = replace(cell, metrics=FrozenMapping({**cell.metrics, "wer_echo": 9.0}))
    cells = tuple(marked if each.id == cell.id else each for each in record.cells)

    found = one(compared(replace(record, cells=cells)), "image_size", "image_size 448, COCO", "wer_echo")

    assert found.ours == 9.0


def test_compile_stands_beside_both_ways_of_compiling() -> None:
    analysis = compared(small_sweep())

    rows = {each.row for each in analysis.comparisons if each.test == "optimization"}

    assert {"optimization compile (ours compile)", "optimization compile (ours compile_whole)"} <= rows


def test_what_failed_on_both_sides_is_a_row_with_both_reasons() -> None:
    found = one(compared(small_sweep()), "optimization", "optimization flash_attention_2", "latency_s")

    assert (found.ours, found.published) == (None, None)
    assert "the Q-Former does not support it" in found.remark
    assert "can't be used" in found.remark


def test_a_device_that_is_not_there_is_a_row_with_its_reason() -> None:
    found = one(compared(small_sweep()), "device", "device cuda", "latency_s")

    assert found.ours is None
    assert NO_CUDA.text in found.remark


def test_ratios_are_over_the_first_row_of_the_same_data_set() -> None:
    record = small_sweep()
    small, large = (cell_of(record, "batch", batch_size=size) for size in (1, 16))
    before = published(dataset="TextVQA", device="cuda", batch_size=1)
    after = published(dataset="TextVQA", device="cuda", batch_size=16, image_size=224, seq_len=200)

    found = one(compared(record), "batch", "batch_size 16 / batch_size 1", "latency_ratio")

    ends = [cell.metrics["latency_s"] for cell in (large, small)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert found.ours == ends[0] / ends[1]
    assert found.published == after["latency_s"] / before["latency_s"]
    assert "ours of cpu, theirs of cuda" in found.remark


def test_ratios_have_the_remarks_of_their_figures() -> None:
    record = small_sweep()
    cells = tuple(
        replace(cell, axes=FrozenMapping({**cell.axes, "batch_size": 5})) if cell.axes["batch_size"] == 16 else cell
        for cell in record.cells
    )
    analysis = compared(replace(record, cells=cells))
    row = "seq_len 50, COCO / seq_len 200, COCO"

    remarks = {name: one(analysis, "seq_len", row, name).remark for name in ("latency_ratio", "wer_echo_ratio")}

    assert remarks["latency_ratio"].startswith("ours of cpu, theirs of cuda; ours bf16, theirs fp16")
    assert "ours in batches of 5, theirs of 16" in remarks["latency_ratio"]
    assert "weights" not in remarks["latency_ratio"]
    assert "ours with random weights, theirs pretrained" in remarks["wer_echo_ratio"]
    assert f"ours of {SAMPLES} samples, theirs of {PUBLISHED_SAMPLES}" in remarks["wer_echo_ratio"]
    assert all("ours with data from sample" in remark for remark in remarks.values())


def test_weak_cells_and_devices_matter_to_time_alone() -> None:
    record = small_sweep()
    weak = replace(record, cells=tuple(replace(cell, runs_done=1) for cell in record.cells))
    row = "batch_size 16 / batch_size 1"

    analysis = compared(weak)

    assert one(analysis, "batch", row, "latency_ratio").remark.endswith("one process")
    for name in ("flops_per_sample_ratio", "wer_echo_ratio"):
        remark = one(analysis, "batch", row, name).remark
        assert "one process" not in remark
        assert "cpu" not in remark


def test_joules_of_the_longest_batch_are_remarked() -> None:
    record = small_sweep()
    note = Note(code="batches_differ", quantity="energy_j", scope="step", text="of the batch with the longest text")
    noted = replace(record, cells=tuple(replace(cell, notes=(*cell.notes, note)) for cell in record.cells))

    analysis = compared(noted)

    words = "ours of the batch with the longest text"
    assert words in one(analysis, "batch", "batch_size 1", "energy_j_per_sample").remark
    assert words in one(analysis, "batch", "batch_size 4 / batch_size 1", "energy_per_sample_ratio").remark
    assert words not in one(analysis, "batch", "batch_size 1", "latency_s").remark


def test_answers_on_two_kinds_of_device_have_a_ratio_and_their_times_have_none() -> None:
    record = small_sweep()
    moved = tuple(
        replace(cell, axes=FrozenMapping({**cell.axes, "device": "cuda"})) if cell.axes["batch_size"] == 4 else cell
        for cell in record.cells
    )
    row = "batch_size 4 / batch_size 1"

    analysis = compared(replace(record, cells=moved))

    assert one(analysis, "batch", row, "latency_ratio").ours is None
    assert one(analysis, "batch", row, "wer_echo_ratio").ours is not None


def test_a_published_copy_is_remarked() -> None:
    found = one(compared(small_sweep()), "seq_len", "seq_len 50, ScienceQA", "latency_s")

    assert "equals the TextVQA row" in found.remark


def test_another_size_of_the_model_has_ratios_alone() -> None:
    record = small_sweep()
    tiny = replace(record, plan=replace(record.plan, model="blip2-tiny"))

    analysis = compared(tiny)

    assert {each.quantity for each in analysis.comparisons} == {
        "latency_ratio",
        "energy_per_sample_ratio",
        "flops_per_sample_ratio",
        "wer_echo_ratio",
    }
    assert "this model is blip2-tiny: another size of it" in analysis.oddities[0].text


def test_another_model_is_compared_with_nothing() -> None:
    record = small_sweep()
    other = replace(record, plan=replace(record.plan, model="nets:make"))

    analysis = compared(other)

    assert analysis.comparisons == ()
    assert [each.text for each in analysis.oddities] == [
        "The figures are of Salesforce/blip2-opt-2.7b and this model is nets:make, so nothing is compared."
    ]


def test_nothing_is_compared_unasked() -> None:
    analysis = analysed(small_sweep()).analysis

    assert analysis is not None
    assert (analysis.comparisons, analysis.oddities, analysis.published) == ((), (), "")


def test_smaller_batches_are_told_and_not_compared_in_time() -> None:
    record = small_sweep()
    cells = tuple(
        replace(cell, axes=FrozenMapping({**cell.axes, "batch_size": 5})) if cell.axes["batch_size"] == 16 else cell
        for cell in record.cells
    )

    found = one(compared(replace(record, cells=cells)), "seq_len", "seq_len 200, COCO", "latency_s")

    assert found.published is None
    assert "in batches of 16 alone (122 ms), ours is of cpu in batches of 5" in found.remark


def test_another_kind_of_length_is_told() -> None:
    record = small_sweep()
    cells = tuple(
        replace(cell, axes=FrozenMapping({**cell.axes, "total_tokens": cell.axes["seq_len"], "seq_len": None}))
        for cell in record.cells
    )

    found = one(compared(replace(record, cells=cells)), "seq_len", "seq_len 100, COCO", "wer_echo")

    assert found.ours is not None
    assert "ours limits total_tokens" in found.remark


def test_ratios_stay_within_a_data_set() -> None:
    rows = {each.row for each in compared(small_sweep()).comparisons if " / " in each.row and each.test == "seq_len"}

    assert "seq_len 50, COCO / seq_len 200, COCO" in rows
    assert all(row.split(" / ")[0].split(", ")[1] == row.split(" / ")[1].split(", ")[1] for row in rows)


def test_the_nearest_of_several_cells_stands_beside_the_published() -> None:
    record = small_sweep()
    resized = cell_of(record, "image_size", resized_to=224, dataset="COCO")
    plain = cell_of(record, "batch", batch_size=4)
    gpu = replace(plain, id="gpu", axes=FrozenMapping({**plain.axes, "device": "cuda", "dtype": "fp32"}))
    marked = replace(resized, metrics=FrozenMapping({**resized.metrics, "wer_echo": 9.0}))
    cells = tuple(marked if each.id == resized.id else each for each in record.cells)
    tests = tuple(
        replace(test, cells=(*test.cells, gpu.id)) if test.name == "batch" else test for test in record.plan.tests
    )
    # the cell that was not resized comes first, so that the order alone does not choose
    tests = tuple(
        replace(test, cells=tuple(reversed(test.cells))) if test.name == "image_size" else test for test in tests
    )

    analysis = compared(replace(record, cells=(*cells, gpu), plan=replace(record.plan, tests=tests)))

    assert one(analysis, "image_size", "image_size 224, COCO", "wer_echo").ours == 9.0
    assert one(analysis, "batch", "batch_size 4", "latency_s").published is not None
