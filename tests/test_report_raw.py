"""Raw figures of a sweep: a block a cell, its first line as published, and what is said of it below."""

from __future__ import annotations

from dataclasses import replace

import pytest
from reference_sweeps import cell_of, reference_sweep
from report_records import batch_sweep

from layerprof.records import (
    AnalysisRecord,
    AxisValue,
    CellRecord,
    Comparison,
    FrozenMapping,
    Note,
    SweepRecord,
)
from layerprof.report import render

ANALYSIS = AnalysisRecord(
    comparisons=(
        Comparison(test="batch", row="batch_size 4", quantity="latency_s", ours=0.09, published=0.045),
        Comparison(test="batch", row="batch_size 4", quantity="wer", ours=None, published=3.753, remark="not scored"),
    ),
    published="an earlier report",
)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> SweepRecord:
    return replace(reference_sweep(tmp_path_factory.mktemp("reference")), analysis=ANALYSIS)


def blocks_of(record: SweepRecord) -> list[str]:
    return render(record, "raw").rstrip("\n").split("\n\n")


def test_a_raw_block_has_the_published_figures_in_their_units(record: SweepRecord) -> None:
    cell = cell_of(record, "batch", batch_size=4)
    place = [each.id for each in record.cells].index(cell.id)

    heading, published, *_ = blocks_of(record)[place].splitlines()

    numbers = {name: cell.metrics[name] or 0.0 for name in ("wer_echo", "latency_s", "energy_j_per_sample")}
    assert heading.startswith(
        "TextVQA, device cpu, batch size 4, image size 224, sequence length 200, optimization sdpa"
    )
    wer, latency, energy, flops = published.strip().split("   ")
    assert wer.endswith(" (prompt echoed)")
    assert float(wer.split()[1]) == pytest.approx(numbers["wer_echo"], rel=1e-3)
    assert float(latency.removeprefix("latency ").removesuffix(" s")) == pytest.approx(numbers["latency_s"], rel=1e-3)
    assert float(energy.removeprefix("energy ").removesuffix(" J/sample")) == pytest.approx(
        numbers["energy_j_per_sample"], rel=1e-3
    )
    assert flops.endswith("TFLOP (last batch of 4)")


def test_a_raw_block_tells_the_answer_alone_from_the_echo(record: SweepRecord) -> None:
    block = blocks_of(record)[1]

    assert "WER of new tokens only 1.333 [1.083, 1.583]   prompt echoed 7.333" in block


def block_of(record: SweepRecord, cell: CellRecord) -> list[str]:
    (block,) = blocks_of(replace(record, cells=(cell,), analysis=None))
    return block.splitlines()


def without(cell: CellRecord, *metrics: str) -> CellRecord:
    return replace(cell, metrics=FrozenMapping({n: v for n, v in cell.metrics.items() if n not in metrics}))


def test_a_raw_block_without_the_published_way_of_counting_says_what_stands_there(record: SweepRecord) -> None:
    cell = cell_of(record, "batch", batch_size=4)

    wer, *_, flops = block_of(record, without(cell, "wer_echo", "flops_last_batch"))[1].strip().split("   ")

    assert wer.endswith(" (new tokens only)")
    assert float(wer.split()[1]) == pytest.approx(cell.metrics["wer"], rel=1e-3)
    assert flops.endswith(" (mean of full batches)")


def test_a_raw_block_of_what_was_not_scored_names_no_way_of_counting(record: SweepRecord) -> None:
    cell = cell_of(record, "batch", batch_size=4)

    wer, *_, flops = block_of(record, without(cell, "wer", "wer_echo", "flops", "flops_last_batch"))[1].split("   ")

    assert (wer.strip(), flops) == ("WER –", "FLOPs –")


def test_a_raw_block_tells_in_what_its_numbers_are_weak(record: SweepRecord) -> None:
    usual, unsteady = (cell_of(record, "batch", batch_size=size) for size in (4, 8))
    single = Note(code="one_process", quantity="latency_s", scope="step", text="of one process")
    axes = FrozenMapping[AxisValue]({**usual.axes, "quick": True})

    quick = block_of(record, replace(usual, axes=axes, notes=(single,), runs_done=1, runs_planned=1))

    assert quick[-1] == "  weak: one process, quick"
    assert block_of(record, unsteady)[-1] == "  weak: unsteady"
    assert not any("weak" in line for line in block_of(record, usual))


def test_one_process_of_several_planned_is_told_once(record: SweepRecord) -> None:
    cell = cell_of(record, "optimization", optimization="sdpa_math")

    assert block_of(record, cell)[-1] == "  weak: one process"


def test_a_raw_block_without_numbers_is_weak_in_nothing(record: SweepRecord) -> None:
    failed = record.cells[0]
    axes = FrozenMapping[AxisValue]({**failed.axes, "quick": True})

    assert not any("weak" in line for line in block_of(record, replace(failed, axes=axes)))


def test_a_raw_block_of_what_was_not_measured_has_a_dash_and_no_zero(record: SweepRecord) -> None:
    cell = cell_of(record, "optimization", optimization="compile")
    place = [each.id for each in record.cells].index(cell.id)

    published = blocks_of(record)[place].splitlines()[1]

    assert "energy – J/sample" in published


def test_a_raw_block_of_what_failed_has_its_reason_alone(record: SweepRecord) -> None:
    assert blocks_of(record)[0].splitlines()[1:] == [
        "  failed (unavailable): there is no CUDA device here; run where there is one"
    ]


def test_a_raw_block_of_what_was_not_in_force_has_no_figure(record: SweepRecord) -> None:
    cell = cell_of(record, "optimization", optimization="sdpa_flash")
    measured = cell_of(record, "optimization", optimization="sdpa").metrics
    cells = tuple(replace(each, metrics=measured) if each.id == cell.id else each for each in record.cells)

    block = blocks_of(replace(record, cells=cells))[[each.id for each in record.cells].index(cell.id)]

    assert "not_in_force" in block
    assert "latency" not in block


def test_a_raw_comparison_is_in_the_unit_of_its_figure(record: SweepRecord) -> None:
    last = blocks_of(record)[-1].splitlines()

    assert last[0] == "Beside the published figures of an earlier report"
    assert last[1] == "  batch, batch_size 4, latency: ours 90.00 ms, published 45.00 ms, ratio 2.000"
    assert last[2].endswith("ours –, published 3.753, ratio –; not scored")


def test_a_raw_block_of_a_model_with_its_own_inputs_names_its_settings() -> None:
    record = batch_sweep()
    cell = replace(record.cells[0], axes=FrozenMapping[AxisValue]({"seed": 3, "warmup": 2}))

    assert blocks_of(replace(record, cells=(cell,)))[0].startswith("seed 3, warmup 2\n")
