"""A sweep of several tests in every format: the same rows, the same reasons, nothing that acts, nothing that is NaN."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import pytest
from reference_sweeps import reference_sweep, small_sweep
from report_records import HOSTILE, batch_sweep, flop_report, profile_of, two_blocks
from rich.console import Console
from sweep_parts import of_tests, with_few_cells

from layerprof.errors import InputError
from layerprof.records import (
    AnalysisRecord,
    AxisValue,
    CellFailure,
    CellRecord,
    Comparison,
    Finding,
    FrozenMapping,
    Note,
    Oddity,
    SweepRecord,
)
from layerprof.report import Format, Record, render
from layerprof.report.base import to_text
from layerprof.report.markdown import escaped
from layerprof.report.text import print_record
from layerprof.views import Amount, Column, Row, Table

LOG_WIDTH = 120
FORMATS: tuple[Format, ...] = ("text", "markdown", "html", "csv", "json", "raw")
ANALYSIS = AnalysisRecord(
    findings=(
        *(Finding(test="batch", kind="growth", scope="", text=f"growth {number} of the batch") for number in range(12)),
        Finding(test="batch", kind="fixed", scope="", text="a plain fact"),
    ),
    comparisons=(
        Comparison(test="batch", row="batch_size 4", quantity="latency_s", ours=0.09, published=0.045),
        Comparison(test="batch", row="batch_size 4", quantity="wer", ours=None, published=3.753, remark="not scored"),
    ),
    oddities=(Oddity(test="", text="FLOPs are of the last batch"),),
    published="an earlier report",
)


Rendered = Callable[[Format], str]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> SweepRecord:
    return reference_sweep(tmp_path_factory.mktemp("reference"))


@pytest.fixture(scope="module")
def record(bare: SweepRecord) -> SweepRecord:
    return replace(bare, analysis=ANALYSIS)


@pytest.fixture(scope="module")
def rendered(record: SweepRecord) -> Rendered:
    """The sweep in a format; each is made once."""
    return cache(partial(render, record))


@pytest.fixture(scope="module")
def hostile() -> Rendered:
    """The sweep of hostile names in a format; each is made once."""
    return cache(partial(render, hostile_sweep()))


def hostile_sweep() -> SweepRecord:
    """The made-up sweep with hostile names wherever data sets, models and reasons can put one."""
    record = with_few_cells(small_sweep())
    tests = tuple(
        replace(test, fixed=FrozenMapping[AxisValue]({**test.fixed, "weights": HOSTILE})) for test in record.plan.tests
    )
    cells = tuple(_hostile_cell(cell) for cell in record.cells)
    finding = Finding(test=HOSTILE, kind="growth", scope=HOSTILE, text=HOSTILE)
    compared = Comparison(test=HOSTILE, row=HOSTILE, quantity=HOSTILE, ours=1.0, published=2.0, remark=HOSTILE)
    oddity = Oddity(test=HOSTILE, text=HOSTILE)
    analysis = AnalysisRecord(findings=(finding,), comparisons=(compared,), oddities=(oddity,), published=HOSTILE)
    plan = replace(record.plan, tests=tests, model=HOSTILE)
    return replace(record, plan=plan, cells=cells, analysis=analysis)


def _hostile_cell(cell: CellRecord) -> CellRecord:
    failure = None if cell.failure is None else CellFailure(kind=HOSTILE, text=HOSTILE)
    dataset = f"{HOSTILE}{cell.axes['dataset']}"
    return replace(
        cell,
        axes=FrozenMapping[AxisValue]({**cell.axes, "dataset": dataset, "weights": HOSTILE}),
        failure=failure,
        notes=(Note(code="odd", quantity="", scope="", text=HOSTILE),),
    )


def csv_rows(record: Record) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render(record, "csv"))))


def printed(record: SweepRecord) -> str:
    stream = io.StringIO()
    print_record(record, Console(file=stream, width=LOG_WIDTH, color_system=None, legacy_windows=False))
    return stream.getvalue()


def test_every_line_of_a_terminal_fits(record: SweepRecord) -> None:
    assert max(map(len, (line for line in printed(record).splitlines() if "─" not in line))) <= LOG_WIDTH


def test_columns_that_a_terminal_does_without_are_named_and_stand_in_markdown(rendered: Rendered) -> None:
    section = rendered("text").partition("\nOptimization, in full\n")[2].partition("\nWhat was in force\n")[0]

    (footnote,) = (line for line in section.splitlines() if line.startswith("Without "))

    left_out = footnote.removeprefix("Without ").partition(", which")[0].split("; ")
    assert "attention seen" in left_out
    assert "in force" not in left_out
    markdown = rendered("markdown").partition("## Optimization, in full\n")[2].splitlines()[1]
    assert all(escaped(name) in markdown for name in left_out)


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.225, 1.257, "354 [225, 1,257]"),
        (0.350, 0.364, "354 [350, 364]"),
        (0.354, 0.364, "354 [354, 364]"),
        (0.344, 0.374, "350 ± 20"),  # twice as long is not more than twice
        (0.344, 0.364, "350 ± 10"),
        (0.354, 0.354, "354"),
        (None, None, "350"),
    ],
)
def test_an_interval_of_unequal_arms_is_written_with_its_ends(low: float | None, high: float | None, text: str) -> None:
    amount = Amount(value=0.354, low=low, high=high, form="plus_minus")
    other = Amount(value=0.9, form="plus_minus")  # which has the column in milliseconds

    table = Table(
        title="", columns=(Column(name="latency", quantity="s"),), rows=(Row(cells=(amount,)), Row(cells=(other,)))
    )

    assert to_text(table).rows[0].cells[0].text == text


def test_a_share_of_unequal_arms_has_its_sign_once() -> None:
    amount = Amount(value=0.964, low=0.885, high=1.174, form="plus_minus")

    table = Table(title="", columns=(Column(name="%", quantity="share"),), rows=(Row(cells=(amount,)),))

    assert to_text(table).rows[0].cells[0].text == "96.4 % [88.5, 117.4]"


def uncertain(cell: CellRecord) -> CellRecord:
    """The cell with a latency whose interval reaches much further up than down."""
    latency_s = cell.metrics.get("latency_s")
    if latency_s is None:
        return cell
    ends = {"latency_low_s": 0.9 * latency_s, "latency_high_s": 3.0 * latency_s, "wer_low": 0.01, "wer_high": 9.99}
    return replace(cell, metrics=FrozenMapping({**cell.metrics, **ends}))


def test_a_compact_table_too_wide_for_a_terminal_keeps_its_columns_and_leaves_its_intervals_to_markdown(
    record: SweepRecord,
) -> None:
    wide = of_tests(replace(record, cells=tuple(map(uncertain, record.cells))), "seq_len", "batch")
    title = "Sequence length (text tokens at most), as published"

    text = printed(wide).partition(f"\n{title}\n")[2].partition("\n\n")[0]

    markdown = render(wide, "markdown").partition(f"## {escaped(title)}\n")[2].partition("\n## ")[0]
    assert "Without intervals, which the Markdown and the page have." in text
    assert text.partition("─")[0].count("echoed") == len({cell.axes["dataset"] for cell in record.cells})
    assert "[" not in text
    assert escaped("[0.0100, 9.99]") in markdown


def test_a_column_of_which_nothing_was_measured_is_the_first_to_go(record: SweepRecord) -> None:
    cells = tuple(
        replace(cell, metrics=FrozenMapping({**cell.metrics, "peak_bytes": None, "conv_s": None}))
        for cell in record.cells
    )

    text = printed(of_tests(replace(record, cells=cells), "batch"))
    section = text.partition("\nBatch size, in full\n")[2].partition("\n\n")[0]

    assert "Without peak memory; convolutions; " in section


def test_a_terminal_has_the_first_findings_of_each_test_and_counts_the_rest(rendered: Rendered) -> None:
    text, markdown = rendered("text"), rendered("markdown")

    assert "growth 5 of the batch" in text
    assert "growth 6 of the batch" not in text
    assert "… 7 more, which the Markdown and the page have." in text
    assert "… 1 more, without a ratio, which the Markdown and the page have." in text
    assert "growth 11 of the batch" in markdown
    assert "a plain fact" in markdown
    assert "not scored" in markdown


@pytest.mark.parametrize("format", ["text", "markdown", "json", "raw"])
def test_figures_beside_published_ones_are_in_every_format_of_prose_and_data(
    rendered: Rendered, format: Format
) -> None:
    content = rendered(format)

    assert "an earlier report" in content
    assert any(word in content for word in ("batch_size 4", "batch\\_size 4"))
    assert any(word in content for word in ("not scored", "without a ratio"))


@pytest.mark.parametrize("format", ["text", "markdown", "json"])
def test_a_sweep_of_tests_without_an_analysis_is_analysed_first(bare: SweepRecord, format: Format) -> None:
    content = render(of_tests(bare, "image_size"), format)

    assert "the processor brings every picture back" in " ".join(content.split())


def test_a_plan_without_tests_reads_no_file(record: SweepRecord) -> None:
    nowhere = replace(
        record,
        plan=replace(record.plan, tests=()),
        analysis=None,
        cells=tuple(replace(cell, folder="/nowhere") for cell in record.cells),
    )

    rendered = [render(nowhere, format) for format in FORMATS]

    assert all(rendered)
    assert "Findings" not in rendered[0]


def test_the_csv_names_the_tests_of_each_cell(record: SweepRecord) -> None:
    rows = {row["id"]: row["tests"].split() for row in csv_rows(record)}

    assert len(rows) == len(record.cells)
    for test in record.plan.tests:
        assert {id_ for id_, tests in rows.items() if test.name in tests} == set(test.cells)


def test_the_csv_of_a_plan_without_tests_has_an_empty_column_of_them() -> None:
    assert {row["tests"] for row in csv_rows(batch_sweep())} == {""}


def test_json_and_csv_have_the_same_rows(record: SweepRecord, rendered: Rendered) -> None:
    cells = json.loads(rendered("json"))["cells"]

    for row, cell in zip(csv_rows(record), cells, strict=True):
        assert row["id"] == cell["id"]
        assert row["tests"].split() == cell["tests"]
        assert row["failure_kind"] == ((cell["failure"] or {}).get("kind") or "")
        for name, value in cell["axes"].items():
            assert row[name] == ("" if value is None else str(value))
        for name, value in cell["metrics"].items():
            assert value is None or float(row[name]) == value


def test_json_has_the_plan_and_the_analysis_with_ratios(record: SweepRecord, rendered: Rendered) -> None:
    content = json.loads(rendered("json"))

    assert [test["name"] for test in content["plan"]["tests"]] == [test.name for test in record.plan.tests]
    assert [each["ratio"] for each in content["analysis"]["comparisons"]] == [2.0, None]
    assert content["analysis"]["oddities"][0]["text"] == "FLOPs are of the last batch"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("format", ["json", "csv", "raw"])
def test_a_number_that_is_not_finite_is_left_out_and_told(format: Format, value: float) -> None:
    record = batch_sweep()
    cell = replace(record.cells[0], metrics=FrozenMapping({**record.cells[0].metrics, "latency_s": value}))
    odd = replace(record, cells=(cell, *record.cells[1:]))

    rendered = render(odd, format)

    assert not re.search(r"\b(nan|inf|infinity)\b", rendered, re.IGNORECASE)
    if format != "raw":
        assert "latency_s: not a finite number, left out" in rendered


@pytest.mark.parametrize("format", ["json", "raw"])
@pytest.mark.parametrize("other", [profile_of(two_blocks()), flop_report()], ids=["profile", "flop report"])
def test_json_and_raw_are_of_sweeps_alone(format: Format, other: Record) -> None:
    with pytest.raises(InputError, match=f"the format {format} is for sweeps"):
        render(other, format)


@pytest.mark.parametrize("format", ["text", "markdown", "html", "csv", "json", "raw"])
def test_no_control_or_direction_mark_of_a_name_survives(hostile: Rendered, format: Format) -> None:
    content = hostile(format)

    assert "\u202e" not in content
    assert "\n=2+2" not in content


@pytest.mark.parametrize("format", ["markdown", "html"])
def test_no_script_tag_survives(hostile: Rendered, format: Format) -> None:
    content = hostile(format)

    assert "<script" not in content
    assert "&lt;script&gt;" in content


def test_every_row_of_a_markdown_table_has_the_width_of_its_heading(hostile: Rendered) -> None:
    for section in hostile("markdown").split("\n## ")[1:]:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in section.splitlines() if line.startswith("|")}
        assert len(widths) == 1


def test_a_test_whose_name_is_a_formula_is_no_formula_in_a_spreadsheet() -> None:
    record = small_sweep()
    tests = tuple(replace(test, name=f"=cmd() {test.name}") for test in record.plan.tests)

    rows = csv_rows(replace(record, plan=replace(record.plan, tests=tests)))

    assert all(row["tests"].startswith("'=cmd()") for row in rows)


def test_the_ends_of_a_shares_interval_do_without_its_unit(rendered: Rendered) -> None:
    assert "20.0 % [0.0, 45.0]" in rendered("text")
