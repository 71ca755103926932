"""Sentences of an analysis, against the laws that the made-up sweep follows."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from reference_findings import (
    changed,
    findings_of,
    latency,
    one_that,
    size_of,
)
from reference_profiles import (
    Work,
    flops_of,
    step_s_of,
)
from reference_sweeps import cell_of, reference_sweep, small_sweep

from layerprof.analysis import analysed
from layerprof.records import (
    FrozenMapping,
    Note,
    PlanTest,
    SweepRecord,
)
from layerprof.units import significant, with_unit


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> SweepRecord:
    return reference_sweep(tmp_path_factory.mktemp("sweep"))


def test_latency_is_told_against_the_flops(record: SweepRecord) -> None:
    small, large = Work(batch_size=1), Work(batch_size=16)
    times, work = step_s_of(large) / step_s_of(small), flops_of(large) / flops_of(small)

    found = one_that(findings_of(record, test="batch", kind="growth"), "latency")

    assert f"latency × {significant(times)} [" in found.text
    assert f"({with_unit(step_s_of(small), 's')} to {with_unit(step_s_of(large), 's')})" in found.text
    assert f"FLOPs × {significant(work)}" in found.text
    assert f"as FLOPs^{significant(math.log(times) / math.log(work), digits=2)}:" in found.text
    assert found.text.endswith("grows slower than its FLOPs.")
    assert found.strength == pytest.approx(times - 1)


def test_latency_as_steep_as_the_flops_grows_as_they_do() -> None:
    linear = changed(small_sweep(), lambda cell: {**latency(0.1 * size_of(cell)), "flops": 10**9 * size_of(cell)})

    found = one_that(findings_of(linear, test="batch", kind="growth"), "latency")

    assert found.text.endswith("grows as its FLOPs do, as far as this can tell.")
    assert "noise" not in found.text


def test_an_exponent_is_not_told_of_flops_that_hardly_change() -> None:
    record = changed(small_sweep(), lambda cell: {**latency(size_of(cell)), "flops": 10**9 + 10**7 * size_of(cell)})

    found = one_that(findings_of(record, test="batch", kind="growth"), "latency")

    assert "FLOPs × 1.15: grows faster than its FLOPs." in found.text


@pytest.mark.parametrize(("runs", "code"), [(1, ""), (3, "contended"), (3, "unsteady")])
def test_weak_cells_carry_no_verdict(runs: int, code: str) -> None:
    note = (Note(code=code, quantity="latency_s", scope="step", text="weak"),) if code else ()
    weak = changed(small_sweep(), lambda _: {}, notes=note)
    weak = replace(weak, cells=tuple(replace(cell, runs_done=runs) for cell in weak.cells))

    found = one_that(findings_of(weak, test="batch", kind="growth"), "latency")

    assert found.text.endswith(f"whether faster or slower than its FLOPs: no verdict ({code or 'one process'}).")
    assert found.strength == 0.0


def test_latency_without_intervals_carries_no_verdict() -> None:
    bare = changed(small_sweep(), lambda _: {"latency_low_s": None, "latency_high_s": None})

    found = one_that(findings_of(bare, test="batch", kind="growth"), "latency")

    assert "no interval, so no verdict" in found.text
    assert "[" not in found.text


def test_a_resized_picture_changes_nothing(record: SweepRecord) -> None:
    found = one_that(findings_of(record, test="image_size", kind="fixed"), "TextVQA")

    flops = with_unit(flops_of(Work(batch_size=16)), "flops")
    assert found.text.startswith(f"resized_to 224, 336, 448, TextVQA: FLOPs are {flops} at each")
    assert "within the noise: the processor brings every picture back to 224" in found.text


def test_a_limit_that_no_text_reaches_is_told_with_the_longest(record: SweepRecord) -> None:
    found = findings_of(record, test="seq_len", kind="fixed")

    assert "the longest prompt has 12 text tokens" in one_that(found, "TextVQA").text
    assert "and no limit cuts it." in one_that(found, "TextVQA").text
    assert not [each for each in found if "ScienceQA" in each.text]


def test_limits_that_cut_alike_are_told_so() -> None:
    cut = changed(small_sweep(), lambda _: {"text_tokens_max": 50, "cut_share": 1.0})

    found = one_that(findings_of(cut, test="seq_len", kind="fixed"), "TextVQA")

    assert "every limit cuts prompts alike" in found.text


def test_texts_of_several_lengths_are_no_reason_for_equal_flops() -> None:
    odd = changed(small_sweep(), lambda cell: {"text_tokens_max": int(cell.axes["seq_len"] or 0)})

    found = one_that(findings_of(odd, test="seq_len", kind="fixed"), "TextVQA")

    assert "longest prompt" not in found.text


def test_latencies_that_differ_at_the_same_flops_are_told_so() -> None:
    odd = changed(small_sweep(), lambda cell: latency(2.0 if cell.axes["resized_to"] == 448 else 1.0))

    found = one_that(findings_of(odd, test="image_size", kind="fixed"), "TextVQA")

    assert "latency 1.00 s to 2.00 s, which differs" in found.text


def test_one_process_is_said_beside_the_numbers(record: SweepRecord) -> None:
    found = one_that(findings_of(record, test="optimization", kind="optimization"), "sdpa_math against sdpa: latency")

    assert "no verdict (one process)" in found.text


def test_answers_that_change_little_show_nothing(record: SweepRecord) -> None:
    found = findings_of(record, test="image_size", kind="quality")

    sentence = one_that(found, "image_size 448 against 224", "TextVQA")
    assert "no difference that 20 samples can show" in sentence.text
    assert "weights random" in sentence.text
    assert sentence.strength == 0.0


def test_a_clear_difference_of_answers_is_told() -> None:
    clear = changed(
        small_sweep(),
        lambda cell: {"wer": 3.0, "wer_low": 2.9, "wer_high": 3.1} if cell.axes["image_size"] == 448 else {},
    )

    found = one_that(findings_of(clear, test="image_size", kind="quality"), "448 against 224, TextVQA", "worse")

    assert found.strength > 0.0


def test_the_answers_of_two_data_sets_are_not_compared(record: SweepRecord) -> None:
    found = findings_of(record, test="image_size", kind="quality")

    assert not [each for each in found if "dataset" in each.text]


def test_power_is_told_only_of_joules_and_seconds_of_the_same_batch(tmp_path: Path) -> None:
    several = changed(small_sweep(), lambda _: {"batches": 2})
    single = changed(small_sweep(), lambda _: {"batches": 1})
    longest = reference_sweep(tmp_path)  # whose profiles are of the batch that the joules are of
    longest = changed(longest, lambda cell: latency(9 * (cell.metrics["latency_s"] or 0.0)))

    texts = [findings_of(each, test="batch", kind="energy")[0].text for each in (several, single, longest)]

    assert "mean power" not in texts[0]
    assert all("mean power 115 W to 115 W" in text for text in texts[1:])


def test_joules_are_told_per_sample_with_the_power(record: SweepRecord) -> None:
    (found,) = findings_of(record, test="batch", kind="energy")

    assert "less energy; mean power 115 W to 115 W" in found.text


def test_a_test_of_one_cell_says_nothing_of_its_axis() -> None:
    record = small_sweep()
    cell = cell_of(record, "batch", batch_size=1)
    test = PlanTest(name="batch", axes=(("batch_size", (1, 4)),), fixed=FrozenMapping(), cells=(cell.id,))

    analysis = analysed(replace(record, plan=replace(record.plan, tests=(test,)))).analysis

    assert analysis is not None
    assert analysis.findings == ()
