"""What is odd about the published figures, derived from the figures themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from reference_published import PUBLISHED_SAMPLES, compared, content, published, text_of
from reference_sweeps import POWER_W, small_sweep

from layerprof.analysis.published import published_figures
from layerprof.analysis.published.base import parsed_flops
from layerprof.analysis.published.oddities import oddities_of
from layerprof.units import significant


def test_the_last_batches_explain_the_flops() -> None:
    single = parsed_flops(published(dataset="TextVQA", device="cuda", batch_size=1)["flops_printed"])

    text = text_of(compared(small_sweep()), "last batch of 300")

    for size in (4, 8, 16):
        cell = published(dataset="TextVQA", device="cuda", batch_size=size, image_size=224, seq_len=200)
        last = PUBLISHED_SAMPLES % size or size
        assert parsed_flops(cell["flops_printed"]) / single == pytest.approx(last, rel=0.06)
        assert f"batch {size} prints" in text
        assert f"for {last} samples in its last batch" in text
    assert "texts are padded to the longest" in text


def test_the_row_that_is_a_copy_is_found() -> None:
    text = text_of(compared(small_sweep()), "is a copy")

    assert text.startswith("seq_len 50, ScienceQA has the figures of seq_len 50, TextVQA in every digit")


def test_compiling_that_changes_nothing_is_found() -> None:
    plain, compiled = (
        published(dataset="ScienceQA", image_size=224, seq_len=200, optimization=name)["latency_s"]
        for name in ("fp16", "compile")
    )

    text = text_of(compared(small_sweep()), "compile may have compiled nothing")

    assert f"{compiled / plain:.3f} times" in text
    assert "and the same WER (20.9)" in text


def test_another_error_rate_of_what_was_compiled_is_not_called_the_same() -> None:
    figures = published_figures("reference")
    cells = {
        test.name: tuple(
            replace(cell, wer=2.0) if cell.axes["optimization"] == "compile" else cell for cell in test.cells
        )
        for test in figures.tests
    }
    other = replace(figures, tests=tuple(replace(test, cells=cells[test.name]) for test in figures.tests))

    (text,) = [each.text for each in oddities_of(other) if "compiled nothing" in each.text]

    assert "WER" not in text


def test_rates_that_differ_by_one_word_are_told_apart() -> None:
    text = text_of(compared(small_sweep()), "the prompt is scored together")

    for name, errors, words in (("TextVQA", 1614, 430), ("TextVQA", 1613, 430), ("COCO", 3162, 3177)):
        assert f"{name} {significant(errors / words, digits=5)} = {errors:,} / {words:,} words" in text


def test_what_is_inferred_of_the_echo_is_told_apart_from_the_arithmetic() -> None:
    text = text_of(compared(small_sweep()), "the prompt is scored together")

    assert text.startswith("By arithmetic, ")
    assert "as in TextVQA and ScienceQA" in text.partition("we infer")[0]
    assert text.endswith("COCO, below 1, shows nothing of it.")


def test_the_picture_size_that_changes_no_flops_is_found() -> None:
    text = text_of(compared(small_sweep()), "changes no FLOPs at 224, 336, 448")

    assert all(name in text for name in ("COCO", "ScienceQA", "TextVQA"))


@pytest.mark.parametrize("words", ["1,614 / 430", "6,265 / 300", "3,162 / 3,177"])
def test_error_rates_are_whole_errors_over_words(words: str) -> None:
    errors, count = (int(part.replace(",", "")) for part in words.split(" / "))

    text = text_of(compared(small_sweep()), "the prompt is scored together")

    assert words in text
    rates = [row["wer"] for row in content()["cells"] if row["wer"] is not None]
    assert min(abs(rate - errors / count) for rate in rates) < 1e-6


def test_text_lengths_that_change_no_flops_are_found() -> None:
    assert "9.46 TFLOP at 200, 100, 50" in text_of(compared(small_sweep()), "changes no FLOPs of TextVQA")


def test_joules_over_seconds_are_told_as_watts() -> None:
    powers = [
        cell["energy_j_per_sample"] / cell["latency_s"]
        for cell in (published(dataset="TextVQA", device=device, batch_size=1) for device in ("cuda", "cpu"))
    ]

    text = text_of(compared(small_sweep()), "mean power")

    assert all(f"{power:.0f} W" in text for power in powers)
    assert powers[1] == pytest.approx(POWER_W, rel=0.01)


def test_the_rounding_of_the_tables_is_told() -> None:
    text = text_of(compared(small_sweep()), "cut off")

    assert "batch_size 4" in text
