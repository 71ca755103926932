"""What all formats owe a reader: closed books, one scale a column, reasons for what is missing, and no surprise."""

from __future__ import annotations

import csv
import dataclasses
import html
import io
import re
import string
from typing import cast

import pytest
from energy_passes import Model, blocks_pass
from report_phases import PhasedLeaf, op, phased_profile, rich_profile, with_ops, with_owners
from report_records import NO_ENERGY, UNATTRIBUTED_S, batch_sweep, flop_report, many_blocks, profile_of, two_blocks
from report_roofs import ABOVE_TEXT, blocks_under_roof, generation_under_roof, large_profile
from rich.console import Console

from layerprof.errors import InputError
from layerprof.records import Check, PeakOwner, Profile
from layerprof.report import Format, Record, render
from layerprof.report.base import to_text
from layerprof.report.text import TextRenderer, print_record
from layerprof.units import MISSING
from layerprof.views import Amount, Column, Row, Table, phases_table

FORMATS: tuple[Format, ...] = ("text", "markdown", "html", "csv")
READABLE: tuple[Format, ...] = ("text", "markdown", "html")


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown format 'pdf'; the known formats are text, markdown, html, csv"):
        render(profile_of(two_blocks()), cast(Format, "pdf"))


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(InputError, match="cannot render a str"):
        render(cast(Record, "profile"), "text")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "record",
    [profile_of(two_blocks()), rich_profile(), blocks_under_roof(), batch_sweep(), flop_report()],
    ids=["profile", "rich", "roof", "sweep", "flops"],
)
def test_every_record_renders_the_same_twice_and_ends_its_last_line(record: Record, format: Format) -> None:
    first = render(record, format)

    assert first.endswith("\n")
    assert render(record, format) == first


def tree_section(text: str) -> list[str]:
    return section(text, "Layers")


def section(text: str, title: str) -> list[str]:
    """The lines from a table's title to the next table of plain text."""
    return re.split(rf"^(?:## )?{title}$", text, flags=re.MULTILINE)[1].split("\n\n")[0].splitlines()


def markdown_rows(profile: Profile) -> list[list[str]]:
    document = re.split("^## Layers$", render(profile, "markdown"), flags=re.MULTILINE)[1]
    lines = document.split("## Families")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [rows[0], *rows[2:]]


def test_the_printed_self_times_of_the_markdown_tree_close() -> None:
    header, *rows = markdown_rows(profile_of(two_blocks()))
    place = header.index("self time (ms)")

    times = {row[0].replace("&nbsp;", ""): float(row[place].strip("*")) for row in rows}

    step = times.pop("**step**")
    assert sum(times.values()) == pytest.approx(step, abs=0.01)
    assert times["**(unattributed)**"] == pytest.approx(1000 * UNATTRIBUTED_S)


def test_the_printed_shares_of_the_stages_close_and_the_root_is_the_step_without_the_unattributed() -> None:
    text = render(profile_of(two_blocks()), "text")
    stages = section(text, "Stages")
    *parts, step = (float(re.findall(r"([\d.]+) %", line)[0]) for line in stages if " %" in line)
    root, *_, unattributed, whole = (
        float(re.findall(r"([\d.]+) %", line)[0]) for line in tree_section(text) if " %" in line
    )

    assert step == whole == 100.0
    assert sum(parts) == pytest.approx(100.0, abs=0.05 * len(parts))
    assert root + unattributed == pytest.approx(100.0, abs=0.1)


@pytest.mark.parametrize("format", READABLE)
def test_missing_energy_prints_its_reason(format: Format) -> None:
    assert NO_ENERGY in render(profile_of(two_blocks()), format)
    assert NO_ENERGY in render(batch_sweep(), format)


@pytest.mark.parametrize("format", FORMATS)
def test_a_failed_cell_is_printed_with_its_reason(format: Format) -> None:
    assert "out of memory" in render(batch_sweep(), format)


def test_a_column_has_one_scale() -> None:
    column = Column(name="time", quantity="s")
    table = Table(title="t", columns=(column,), rows=tuple(Row(cells=(value,)) for value in (0.5, 0.0005, None)))

    text = to_text(table)

    assert text.headers == ("time (ms)",)
    assert [row.cells[0].text for row in text.rows] == ["500", "0.500", MISSING]


def test_counts_that_need_no_scale_stay_whole() -> None:
    column = Column(name="params", quantity="count")

    text = to_text(Table(title="t", columns=(column,), rows=(Row(cells=(77,)), Row(cells=(0,)))))

    assert [row.cells[0].text for row in text.rows] == ["77", "0"]


def test_an_interval_is_printed_in_the_scale_of_its_column() -> None:
    column = Column(name="time", quantity="s")
    rows = (Row(cells=(Amount(value=0.012, low=0.011, high=0.014),)), Row(cells=(0.5,)))

    text = to_text(Table(title="t", columns=(column,), rows=rows))

    assert text.rows[0].cells[0].text == "12.0 [11.0, 14.0]"


def test_an_amount_of_another_quantity_brings_its_own_unit() -> None:
    rows = (Row(cells=(Amount(value=2**20, quantity="bytes"),)), Row(cells=(Amount(value=0.02, quantity="share"),)))

    text = to_text(Table(title="t", columns=(Column(name="value"),), rows=rows))

    assert [row.cells[0].text for row in text.rows] == ["1.00 MiB", "2.0 %"]


def test_text_has_no_terminal_codes() -> None:
    assert "\x1b" not in render(profile_of(two_blocks()), "text")


def test_text_keeps_every_number_whole_on_a_narrow_console() -> None:
    profile = profile_of(two_blocks())

    narrow = TextRenderer(width=40).profile(profile)

    assert "layers.0–1 (2×)" in narrow
    for line in tree_section(render(profile, "text")):
        for number in re.findall(r"\d[\d.,]+", line):
            assert number in narrow


def test_text_of_a_large_model_is_short() -> None:
    profile = profile_of(many_blocks(200))

    assert len(profile.layers) == 1402
    assert len(render(profile, "text").splitlines()) < 80


def test_text_shows_a_check_that_failed() -> None:
    profile = dataclasses.replace(
        profile_of(two_blocks()), checks=(Check(name="flops_books", ok=False, detail="off by 3"),)
    )

    assert "off by 3" in render(profile, "text")


def test_a_console_gets_colours_and_the_depth_that_was_asked_for() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system="standard", width=120)

    print_record(profile_of(two_blocks()), console, max_depth=1)

    assert "\x1b[1m" in stream.getvalue()
    assert "layers.0–1 (2×) …" in stream.getvalue()
    assert "    fc1" not in stream.getvalue()


def test_text_ends_with_the_tree_so_that_it_is_seen_first() -> None:
    text = render(rich_profile(), "text")

    titles = [
        "Summary", "Uncounted ops", "Memory at the peak", "Top ops by device time", "Top layers by device self",
        "Stages", "Phases", "Prefill against decode", "Layers",
    ]  # fmt: skip
    places = [text.index(f"{title}\n") for title in titles]
    assert places == sorted(places)


def test_text_of_many_ops_owners_and_layers_shows_a_few_of_each() -> None:
    parts = {"prefill": (0.001, 1), "decode": (0.001, 1)}
    wide = [PhasedLeaf(path=f"part_{letter}", by_phase=parts) for letter in string.ascii_lowercase]
    profile = phased_profile([PhasedLeaf(path="", by_phase=parts), *wide], {"prefill": 1, "decode": 4})
    profile = with_ops(profile, {leaf.path: [op(f"op_{leaf.path}", self_s=0.001)] for leaf in wide})
    owners = [PeakOwner(call_path=(leaf.path,), phase="decode", size_bytes=8) for leaf in wide]

    text = render(with_owners(profile, owners), "text")

    assert sum("op_part" in line for line in section(text, "Top ops by self time")) == 8
    assert sum("part_" in line for line in section(text, "Memory at the peak")) == 5
    assert sum("part_" in line for line in section(text, "Prefill against decode")) == 14  # and the model


@pytest.mark.parametrize("title", ["Phases", "Prefill against decode", "Top ops by device time", "Memory at the peak"])
def test_the_tables_below_the_tree_fit_a_log(title: str) -> None:
    assert max(map(len, section(render(rich_profile(), "text"), title))) <= 120


ROOF_SECTIONS = ["Top layers by self time", "Roofline", "Stages", "Phases", "Prefill against decode", "Layers"]


@pytest.mark.parametrize("title", ROOF_SECTIONS)
def test_the_tables_with_a_place_under_the_roofline_fit_a_log(title: str) -> None:
    profile = generation_under_roof() if title in ("Phases", "Prefill against decode") else large_profile()

    lines = section(render(profile, "text"), title)

    assert max(map(len, lines)) <= 120
    assert any("intensity" in line for line in lines)


@pytest.mark.parametrize("title", ["Layers", "Stages", "Roofline", "Phases"])
def test_a_terminal_shows_intensity_efficiency_and_bound(title: str) -> None:
    lines = section(render(generation_under_roof(), "text"), title)

    for name in ("intensity", "efficiency", "bound"):
        assert any(name in line for line in lines)


def test_a_terminals_roofline_has_at_most_twelve_rows_and_the_tree_stays_last() -> None:
    text = render(large_profile(), "text")

    rows = [line for line in section(text, "Roofline")[4:] if " %" in line and ":" not in line]
    assert len(rows) == 12
    assert text.index("\nRoofline\n") < text.index("\nStages\n") < text.index("\nLayers\n")


def test_a_documents_tree_keeps_every_column_beside_the_roofline() -> None:
    header = markdown_rows(large_profile())[0]

    for name in ("of step", "params", "intensity (FLOP/B)", "efficiency", "bound"):
        assert any(name in column for column in header)


def test_headings_take_several_lines_only_where_the_table_would_be_too_wide() -> None:
    columns = (Column(name="layer", align="left"), *(Column(name="very long name", quantity="s") for _ in range(9)))

    def heading(count: int) -> str:
        row = Row(cells=("a", *(0.5 for _ in range(count))))
        return TextRenderer()._laid_out([Table(title="t", columns=columns[: count + 1], rows=(row,))])

    assert "very long name" in heading(2)
    assert "very long name" not in heading(9)
    assert max(map(len, heading(9).splitlines())) <= 120
    assert heading(9).count("very") == heading(9).count("long") == heading(9).count("name") == 9


@pytest.mark.parametrize("format", ["text", "markdown", "html"])
def test_what_is_above_the_roof_is_flagged_and_not_printed_as_a_number(format: Format) -> None:
    text = html.unescape(render(blocks_under_roof(), format))

    assert "> 100 %" in text
    assert ABOVE_TEXT in text
    assert "120.0 %" not in text


def test_text_compares_all_phases_where_no_two_are_a_pair() -> None:
    leaves = [PhasedLeaf(path="", by_phase={"vision": (0.001, 1)}), PhasedLeaf(path="a", by_phase={"text": (0.002, 1)})]

    text = render(phased_profile(leaves, {"vision": 1, "text": 1}), "text")

    assert "\nLayers by phase\n" in text
    assert "against backward" not in text
    assert "against decode" not in text


@pytest.mark.parametrize("format", ["markdown", "html"])
def test_a_document_has_every_view_of_phases_ops_and_memory(format: Format) -> None:
    text = render(rich_profile(), format)

    for title in ("Phases", "Prefill against decode", "Layers by phase", "Top ops by device time",
                  "Ops by name by device time", "Memory at the peak"):  # fmt: skip
        assert title in text


def test_the_printed_times_of_the_phases_close() -> None:
    table = to_text(phases_table(rich_profile()))
    place = table.names.index("total time")

    *times, step = (float(row.cells[place].text) for row in table.rows)

    assert len(times) == 3
    assert sum(times) == pytest.approx(step, abs=0.15)  # each to three digits


def test_what_did_not_run_prints_the_missing_mark_and_never_a_zero() -> None:
    line = next(line for line in section(render(rich_profile(), "text"), "Prefill against decode") if "(model)" in line)

    assert set(line.split()[1:]) == {MISSING}


@pytest.mark.parametrize("format", READABLE)
def test_without_a_device_no_column_or_line_speaks_of_one(format: Format) -> None:
    text = render(rich_profile(has_device=False), format)

    assert "device total" not in text
    assert "device busy" not in text
    assert "device self" not in text


def csv_rows(record: Record) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render(record, "csv"))))


def test_every_layer_appears_once_in_the_csv() -> None:
    profile = profile_of(many_blocks(20))

    rows = csv_rows(profile)

    assert [row["path"] for row in rows] == [layer.path for layer in profile.layers]


def test_the_csv_has_raw_numbers_and_leaves_empty_what_is_missing() -> None:
    profile = profile_of(two_blocks())

    row = csv_rows(profile)[-1]

    layer = profile["head"]
    assert layer.self_s is not None
    assert float(row["self_s_median"]) == layer.self_s.median
    assert int(row["flops"]) == layer.flops
    assert row["energy_j"] == ""
    assert row["device_self_s_median"] == ""


def test_the_csv_has_joules_with_their_interval_kind_and_power_and_nothing_where_they_are_missing() -> None:
    layers = Model(has_time=False).energies(blocks_pass()).rows[0]
    profile = dataclasses.replace(profile_of(two_blocks()), layers=layers)

    rows = {row["path"]: row for row in csv_rows(profile)}

    unit, inside = rows["blocks.0"], rows["blocks.0.a"]
    assert (float(unit["energy_j"]), unit["energy_kind"]) == (2.0, "replayed")
    assert [float(unit[f"energy_{end}"]) for end in ("ci95_low_j", "ci95_high_j", "power_w")] == [2.0, 2.0, 200.0]
    assert [inside[name] for name in ("energy_j", "energy_kind", "energy_power_w", "self_energy_j")] == [""] * 4


def test_the_csv_has_columns_for_each_phase_and_for_the_peak() -> None:
    profile = rich_profile()
    owning = dataclasses.replace(profile.layers[-1], at_peak_bytes=4096, self_at_peak_bytes=2048)

    rows = csv_rows(dataclasses.replace(profile, layers=(*profile.layers[:-1], owning)))

    assert (rows[-1]["at_peak_bytes"], rows[-1]["self_at_peak_bytes"]) == ("4096", "2048")
    assert rows[0]["at_peak_bytes"] == ""
    assert float(rows[-1]["decode.total_s_median"]) == 0.008
    assert rows[-1]["vision.total_s_median"] == ""


def test_the_csv_of_a_sweep_has_a_row_for_every_cell() -> None:
    rows = csv_rows(batch_sweep())

    assert [row["batch_size"] for row in rows] == ["1", "4", "8"]
    assert rows[2]["latency_s"] == ""
    assert rows[2]["failure_kind"] == "exception"


def test_the_csv_of_a_sweep_tells_machines_and_partial_cells_apart() -> None:
    record = batch_sweep()
    here = dataclasses.replace(record.cells[0], environment="e" * 16, runs_done=3, runs_planned=3)
    there = dataclasses.replace(record.cells[1], environment="f" * 16, status="pending", runs_done=1, runs_planned=3)

    rows = csv_rows(dataclasses.replace(record, cells=(here, there, record.cells[2])))

    assert [row["id"] for row in rows] == [cell.id for cell in record.cells]
    assert [row["environment"] for row in rows] == ["e" * 16, "f" * 16, ""]
    assert [(row["runs_done"], row["runs_planned"]) for row in rows[:2]] == [("3", "3"), ("1", "3")]


def test_the_csv_of_a_flop_report_has_a_row_for_every_layer() -> None:
    assert [(row["path"], int(row["flops"])) for row in csv_rows(flop_report())] == list(flop_report().by_layer.items())


def test_a_profile_prints_as_its_tree() -> None:
    assert "layers.0–1 (2×)" in str(profile_of(two_blocks()))
