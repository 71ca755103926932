"""Names from models and data sets are not trusted: they come out inert in every format."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from pathlib import Path

import pytest
from report_phases import hostile_profile
from report_records import HOSTILE, batch_sweep

from layerprof.report import Format, Record, render
from layerprof.report.base import inert
from layerprof.report.markdown import escaped
from layerprof.report.plots import latency_energy_plot, save_figure

RECORDS = (hostile_profile(), batch_sweep(model=HOSTILE))


@pytest.mark.parametrize("format", ["text", "markdown", "html", "csv"])
@pytest.mark.parametrize("record", RECORDS, ids=["profile", "sweep"])
def test_no_control_or_direction_mark_survives(record: Record, format: Format) -> None:
    rendered = render(record, format)

    assert "\u202e" not in rendered
    assert "\n=2+2" not in rendered


@pytest.mark.parametrize("format", ["markdown", "html"])
@pytest.mark.parametrize("record", RECORDS, ids=["profile", "sweep"])
def test_no_script_tag_survives(record: Record, format: Format) -> None:
    rendered = render(record, format)

    assert "<script" not in rendered
    assert "&lt;script&gt;" in rendered


@pytest.mark.parametrize("format", ["text", "markdown", "html"])
def test_ops_kernels_phases_and_owners_are_shown_and_inert(format: Format) -> None:
    titles = ("Phases", "Prefill against decode", "Top ops by device time", "Memory at the peak")

    rendered = render(hostile_profile(), format)

    assert all(title in rendered for title in titles)
    assert "\\u202e" in rendered.replace("\\\\", "\\")  # made visible, in Markdown behind an escaped backslash


def test_the_kernels_of_an_op_are_escaped_in_the_page() -> None:
    page = render(hostile_profile(), "html")

    assert "_kernel" in page
    assert "<script" not in page


def test_a_phase_is_no_formula_in_the_heading_of_a_spreadsheet() -> None:
    profile = hostile_profile()
    named = dataclasses.replace(profile.phases[-1], name="=cmd()")

    text = render(dataclasses.replace(profile, phases=(*profile.phases[:-1], named)), "csv")

    header = next(csv.reader(io.StringIO(text)))
    assert "'=cmd().calls" in header
    assert not [name for name in header if name.startswith("=")]


def test_rich_markup_is_printed_as_it_is() -> None:
    assert "[red]" in render(hostile_profile(), "text")


def test_every_row_of_a_markdown_table_has_the_width_of_its_heading() -> None:
    for section in render(hostile_profile(), "markdown").split("## ")[1:]:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in section.splitlines() if line.startswith("|")}
        assert len(widths) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a|b", r"a\|b"),
        ("layers.*.fc1", r"layers.\*.fc1"),
        ("layer_norm1", "layer_norm1"),
        ("_x_", r"\_x\_"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("[text](target)", r"\[text\](target)"),
        ("`code`", r"\`code\`"),
        ("https://host", r"https\://host"),
        ("www.host", r"www\.host"),
    ],
)
def test_markdown_escapes_what_it_would_act_on(name: str, expected: str) -> None:
    assert escaped(name) == expected


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " ="])
def test_a_spreadsheet_is_not_given_a_formula(start: str) -> None:
    record = batch_sweep()
    hostile = dataclasses.replace(record.cells[0], id=f"{start}cmd()")

    text = render(dataclasses.replace(record, cells=(hostile,)), "csv")

    assert next(csv.DictReader(io.StringIO(text)))["id"] == f"'{hostile.id}"


def test_a_negative_number_stays_a_number() -> None:
    record = batch_sweep(energy_j=(-1.5, None))

    row = next(csv.DictReader(io.StringIO(render(record, "csv"))))

    assert float(row["energy_j_per_sample"]) == -1.5


def test_invisible_characters_become_visible() -> None:
    assert inert("a\tb\u200bc\u2028d\x1b[31m") == "a\\tb\\u200bc\\u2028d\\x1b[31m"


def test_a_plot_draws_a_hostile_name_as_plain_text(tmp_path: Path) -> None:
    figure = latency_energy_plot(batch_sweep(model="$\\frac{$\u202e"))

    title = figure.get_suptitle()

    assert "\u202e" not in title
    assert "$\\frac{$" in title
    assert save_figure(figure, tmp_path / "plot.svg").stat().st_size > 0  # mathtext would have raised
