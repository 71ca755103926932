"""The tables of sweeps: by batch size, and of any other plan."""

from __future__ import annotations

import dataclasses

import pytest
from report_records import NO_ENERGY, batch_metrics, batch_sweep

from layerprof.records import AxisValue, CellFailure, CellRecord, FrozenMapping, Note, PlanRecord, SweepRecord
from layerprof.report import render
from layerprof.views import Amount, Table, sweep_table
from layerprof.views.sweeps import quantity_of


def names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def cell_of(table: Table, row: int, name: str) -> object:
    return table.rows[row].cells[names(table).index(name)]


def test_the_batch_table_has_the_columns_of_the_reference() -> None:
    table = sweep_table(batch_sweep())

    assert names(table) == [
        "batch_size",
        "latency per batch",
        "latency per sample",
        "FLOPs per batch",
        "FLOPs per sample",
        "peak memory",
        "energy per sample",
        "status",
    ]


def test_latency_carries_its_interval() -> None:
    metrics = batch_metrics(1)

    latency = cell_of(sweep_table(batch_sweep()), 0, "latency per batch")

    assert latency == Amount(
        value=float(metrics["latency_s"] or 0), low=metrics["latency_low_s"], high=metrics["latency_high_s"]
    )


def test_missing_energy_stays_missing_and_is_explained_once() -> None:
    table = sweep_table(batch_sweep())

    assert cell_of(table, 0, "energy per sample") is None
    assert [note for note in table.footnotes if NO_ENERGY in note] == [f"energy: {NO_ENERGY}"]


def test_joules_carry_their_interval_and_one_sample_is_as_uncertain_as_the_step() -> None:
    record = batch_sweep(energy_j=(2.0, 2.0))
    metrics = {**record.cells[1].metrics, "energy_j": 8.0, "energy_low_j": 7.6, "energy_high_j": 8.4}
    cell = dataclasses.replace(record.cells[1], metrics=FrozenMapping(metrics))
    table = sweep_table(dataclasses.replace(record, cells=(record.cells[0], cell)))

    assert cell_of(table, 1, "energy per sample") == Amount(value=2.0, low=1.9, high=2.1, form="plus_minus")
    assert cell_of(table, 0, "energy per sample") == Amount(value=2.0, form="plus_minus")


def test_joules_of_any_other_plan_stand_with_their_interval_in_one_column() -> None:
    record = batch_sweep()
    metrics = FrozenMapping({"energy_j": 8.0, "energy_low_j": 7.6, "energy_high_j": 8.4})
    cells = (dataclasses.replace(record.cells[0], metrics=metrics),)
    plan = dataclasses.replace(record.plan, name="other")

    table = sweep_table(SweepRecord(plan=plan, cells=cells))

    assert names(table) == ["batch_size", "energy", "status"]
    assert cell_of(table, 0, "energy") == Amount(value=8.0, low=7.6, high=8.4, form="plus_minus")


def test_a_failed_cell_is_a_visible_row_with_its_reason() -> None:
    table = sweep_table(batch_sweep())

    assert cell_of(table, 2, "batch_size") == "8"
    assert cell_of(table, 2, "latency per batch") is None
    assert cell_of(table, 2, "status") == "failed (exception): out of memory"
    assert table.rows[2].role == "problem"


def test_a_pending_cell_is_a_visible_row() -> None:
    record = batch_sweep()
    pending = CellRecord(id="p", axes=FrozenMapping[AxisValue]({"batch_size": 16}), status="pending")

    table = sweep_table(dataclasses.replace(record, cells=(*record.cells, pending)))

    assert cell_of(table, 3, "status") == "pending"


def test_settings_that_all_cells_share_stand_below() -> None:
    assert "Fixed: device cpu." in sweep_table(batch_sweep()).footnotes


def test_another_axis_of_a_batch_plan_has_a_column() -> None:
    record = batch_sweep()
    plan = dataclasses.replace(record.plan, axes=(*record.plan.axes, ("device", ("cpu", "cuda"))))

    table = sweep_table(dataclasses.replace(record, plan=plan))

    assert names(table)[:2] == ["batch_size", "device"]


def test_any_other_plan_shows_its_axes_and_all_metrics() -> None:
    plan = PlanRecord(name="mine", model="net", axes=(("image_size", (224, 336)), ("dtype", ("fp32",))))
    done = CellRecord(
        id="a",
        axes=FrozenMapping[AxisValue]({"image_size": 224, "dtype": "fp32"}),
        status="done",
        metrics=FrozenMapping({"latency_s": 0.5, "wer": 3.75}),
    )
    skipped = CellRecord(id="b", axes=FrozenMapping[AxisValue]({"image_size": 336}), status="skipped")

    table = sweep_table(SweepRecord(plan=plan, cells=(done, skipped)))

    assert names(table) == ["image_size", "latency", "wer", "status"]
    assert cell_of(table, 0, "wer") == Amount(value=3.75)
    assert cell_of(table, 1, "wer") is None
    assert "Fixed: dtype fp32." in table.footnotes


@pytest.mark.parametrize(
    ("name", "quantity"),
    [
        ("latency_s", "s"),
        ("latency_per_sample_s", "s"),
        ("flops_per_sample", "flops"),
        ("peak_bytes", "bytes"),
        ("energy_j_per_sample", "j"),
        ("flops_per_s", "flops_per_s"),
        ("wer", "ratio"),
    ],
)
def test_a_metrics_name_tells_its_quantity(name: str, quantity: str) -> None:
    assert quantity_of(name) == quantity


FACTS = {
    "layerprof": "0.1.0",
    "torch": "2.13.0",
    "transformers": "5.23.0",
    "python": "3.11.7",
    "platform": "Linux x86_64",
    "cpu": "a processor",
    "cores": "16",
    "isolation": "process",
    "MALLOC_ARENA_MAX": "1",
    "device": "cuda",
    "device_type": "NVIDIA H200",
    "driver": "550.54",
    "power_limit_w": "700",
}


def one_cell(**changes: object) -> CellRecord:
    cell = CellRecord(
        id="a",
        axes=FrozenMapping[AxisValue]({"seed": 0}),
        status="done",
        metrics=FrozenMapping({"latency_s": 0.5}),
        runs_done=3,
        runs_planned=3,
    )
    return dataclasses.replace(cell, **changes)  # type: ignore[arg-type]  # one helper for all fields


def sweep_of(*cells: CellRecord, rounds: int = 3, **changes: object) -> SweepRecord:
    plan = PlanRecord(name="mine", model="net", axes=(("seed", (0, 1)),), rounds=rounds)
    return dataclasses.replace(SweepRecord(plan=plan, cells=cells), **changes)  # type: ignore[arg-type]  # likewise


def note(code: str, text: str = "so it is") -> Note:
    return Note(code=code, quantity="latency_s", scope="step", text=text)


def status_of(cell: CellRecord) -> object:
    return cell_of(sweep_table(sweep_of(cell)), 0, "status")


def test_a_cell_with_some_of_its_runs_shows_its_numbers_and_how_many_there_are() -> None:
    table = sweep_table(sweep_of(one_cell(status="pending", runs_done=1)))

    assert cell_of(table, 0, "latency") == Amount(value=0.5)
    assert cell_of(table, 0, "status") == "pending (1 of 3, one process)"


def test_a_cell_without_runs_is_pending_whatever_its_notes_say() -> None:
    cell = one_cell(status="pending", runs_done=0, metrics=FrozenMapping(), notes=(note("contended"),))

    assert status_of(cell) == "pending"


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["contended"], "done (contended)"),
        (["throttled"], "done (throttled)"),
        (["unsteady", "contended"], "done (contended, unsteady)"),
        (["processes_differ"], "done (processes differ)"),
        (["source_changed"], "done (source changed)"),
        (["mixed_environments"], "done"),
        (["no_counter"], "done"),
    ],
)
def test_weak_numbers_are_marked_beside_them(codes: list[str], expected: str) -> None:
    assert status_of(one_cell(notes=tuple(map(note, codes)))) == expected


def test_a_weak_cell_that_is_not_complete_says_both() -> None:
    assert status_of(one_cell(status="pending", runs_done=2, notes=(note("throttled"),))) == (
        "pending (2 of 3, throttled)"
    )


@pytest.mark.parametrize(("status", "kind"), [("failed", "oom_host"), ("skipped", "unsupported")])
def test_a_cell_without_a_result_says_why(status: str, kind: str) -> None:
    cell = one_cell(status=status, metrics=FrozenMapping(), failure=CellFailure(kind=kind, text="no luck"))

    assert status_of(cell) == f"{status} ({kind}): no luck"


def test_the_table_says_of_how_many_processes_its_numbers_are() -> None:
    several = sweep_table(sweep_of(one_cell())).footnotes
    one = sweep_table(sweep_of(one_cell(), rounds=1)).footnotes

    assert any("3 processes a cell" in footnote and "holds how they differ" in footnote for footnote in several)
    assert any("do not hold how processes differ" in footnote for footnote in one)


def test_that_there_was_one_process_is_said_once() -> None:
    cell = one_cell(notes=(note("one_process", "of one process alone"),))

    footnotes = sweep_table(sweep_of(cell, rounds=1)).footnotes

    assert [footnote for footnote in footnotes if "process" in footnote] == ["latency_s: of one process alone"]


def test_a_sweep_without_numbers_says_nothing_of_how_they_came() -> None:
    cell = one_cell(status="pending", runs_done=0, metrics=FrozenMapping())

    assert sweep_table(sweep_of(cell)).footnotes == ()


def test_a_quick_look_is_marked_as_one() -> None:
    quick = one_cell(axes=FrozenMapping[AxisValue]({"seed": 0, "quick": True}))
    usual = one_cell(axes=FrozenMapping[AxisValue]({"seed": 0, "quick": False}))
    text = "one process, short windows: for a look, not for a comparison."

    assert f"quick: {text}" in sweep_table(sweep_of(quick, rounds=1)).footnotes
    assert f"Cells with quick True: {text}" in sweep_table(sweep_of(quick, usual, rounds=1)).footnotes
    assert not any(text in footnote for footnote in sweep_table(sweep_of(usual, rounds=1)).footnotes)


def test_a_quick_look_of_several_rounds_is_not_said_to_be_of_one_process() -> None:
    quick = one_cell(axes=FrozenMapping[AxisValue]({"seed": 0, "quick": True}), runs_done=2, runs_planned=2)

    footnotes = sweep_table(sweep_of(quick, rounds=2)).footnotes

    assert "quick: short windows: for a look, not for a comparison." in footnotes
    assert not any("one process" in footnote for footnote in footnotes)


def test_where_some_cells_have_fewer_runs_the_number_of_processes_is_the_most_that_there_are() -> None:
    partial = one_cell(status="pending", runs_done=2)

    whole, some = (sweep_table(sweep_of(one_cell(), *more)).footnotes[0] for more in ((), (partial,)))

    assert whole.startswith("3 processes a cell")
    assert some.startswith("Up to 3 processes a cell")
    assert some.endswith("holds how they differ.")


def test_numbers_of_one_process_among_several_planned_are_marked_and_the_footnote_excepts_them() -> None:
    failure = CellFailure(kind="segv", text="2 of 3 runs: it crashed")
    mixed = one_cell(notes=(note("mixed_environments"), note("one_process")))

    assert status_of(one_cell(status="failed", runs_done=1, failure=failure)) == (
        "failed (segv, one process): 2 of 3 runs: it crashed"
    )
    assert status_of(mixed) == "done (one process)"
    assert (
        "holds how they differ (not where the status says one process)." in (sweep_table(sweep_of(mixed)).footnotes[0])
    )


def test_one_process_that_was_planned_is_no_mark() -> None:
    assert status_of(one_cell(runs_done=1, runs_planned=1, notes=(note("one_process"),))) == "done"


def test_how_much_was_measured_has_no_column_but_stays_in_the_csv() -> None:
    amounts = {"steps": 30, "warmup_steps": 10, "batches": 4}
    record = sweep_of(one_cell(metrics=FrozenMapping({"latency_s": 0.5, **amounts, "flops": 6})))

    assert names(sweep_table(record)) == ["seed", "latency", "flops", "status"]
    assert all(f",{name}," in render(record, "csv") for name in amounts)


def of_seed(seed: int, *notes: Note, **changes: object) -> CellRecord:
    return one_cell(axes=FrozenMapping[AxisValue]({"seed": seed}), notes=notes, **changes)


def notes_below(*cells: CellRecord) -> tuple[str, ...]:
    return sweep_table(sweep_of(*cells)).footnotes[1:]  # the first is on processes


def test_notes_that_differ_by_their_numbers_are_one_line_that_counts_the_other_cells() -> None:
    shares = [note("contended", f"other processes took {share} % of the cores") for share in (48, 36, 7.5, 12)]
    cells = [of_seed(0, shares[0]), of_seed(1, *shares[1:3]), of_seed(2, shares[3])]

    assert notes_below(*cells) == ("latency_s: other processes took 48 % of the cores (likewise in 2 more cells)",)
    assert notes_below(*cells[:2])[0].endswith("48 % of the cores (likewise in 1 more cell)")


def test_a_note_of_one_cell_counts_no_others() -> None:
    twice = [note("contended", f"other processes took {share} % of the cores") for share in (48, 36)]

    assert notes_below(of_seed(0, *twice), of_seed(1)) == ("latency_s: other processes took 48 % of the cores",)


def test_reasons_of_one_code_that_differ_in_words_are_all_told() -> None:
    uncounted = [note("uncounted", f"aten.{op} has no formula") for op in ("conv2d", "conv3d", "sort")]

    assert notes_below(of_seed(0, *uncounted)) == (
        "latency_s: aten.conv2d has no formula",
        "latency_s: aten.conv3d has no formula",
        "latency_s: aten.sort has no formula",
    )


def test_one_reason_of_several_quantities_is_one_line_that_names_each_once() -> None:
    agree = [Note(code="no_interval", quantity=names, scope="", text="all agree") for names in ("wer", "wer, wer_echo")]
    other = Note(code="other", quantity="wer_min", scope="", text="all agree")

    assert notes_below(of_seed(0, agree[0]), of_seed(1, agree[1], other)) == (
        "wer, wer_echo: all agree",
        "wer_min: all agree",
    )


def test_which_batch_a_quantity_is_of_is_told_only_where_it_was_measured() -> None:
    notes = [
        Note(code="batches_differ", quantity=name, scope="step", text=f"so is {name}") for name in ("flops", "energy_j")
    ]
    metrics = FrozenMapping[float | int | None]({"flops": 8, "energy_j": None})

    assert notes_below(of_seed(0, *notes, metrics=metrics)) == ("flops: so is flops",)


@pytest.mark.parametrize("code", ["failed_before", "other_environment", "mixed_environments"])
def test_what_became_of_runs_names_the_cell_that_it_is_about(code: str) -> None:
    of_cell = Note(code=code, quantity="", scope="", text="so it went")
    cells = [of_seed(seed, of_cell, status="pending", runs_done=0, metrics=FrozenMapping()) for seed in (7, 8, 9)]

    one, several = (sweep_table(sweep_of(*some)) for some in (cells[:1], cells))

    assert cell_of(one, 0, "status") == "pending"
    assert one.footnotes == ("seed 7: so it went",)
    assert several.footnotes == ("seed 7: so it went (likewise in 2 more cells)",)


def test_where_it_was_measured_stands_in_one_line() -> None:
    environments = FrozenMapping({"e" * 16: FrozenMapping(FACTS)})

    footnotes = sweep_table(sweep_of(one_cell(environment="e" * 16), environments=environments)).footnotes

    assert footnotes[-1] == (
        "Measured on NVIDIA H200, a processor, Linux x86_64, 16 cores, 700 W; layerprof 0.1.0, torch 2.13.0, "
        "transformers 5.23.0, python 3.11.7, driver 550.54; MALLOC_ARENA_MAX=1."
    )


def test_several_environments_are_told_apart_by_a_column() -> None:
    environments = FrozenMapping({digit * 16: FrozenMapping(FACTS) for digit in "ef"})
    cells = [one_cell(environment=digit * 16) for digit in "ef"]

    table = sweep_table(sweep_of(*cells, environments=environments))

    assert [cell_of(table, row, "environment") for row in (0, 1)] == ["eeeeeeee", "ffffffff"]
    assert [footnote[:21] for footnote in table.footnotes[-2:]] == ["Environment eeeeeeee:", "Environment ffffffff:"]


def test_an_environment_that_nothing_was_measured_in_is_not_told() -> None:
    environments = FrozenMapping({"e" * 16: FrozenMapping(FACTS)})

    assert "Measured on" not in " ".join(sweep_table(sweep_of(one_cell(), environments=environments)).footnotes)


def test_what_is_wrong_with_the_folder_stands_below_the_table() -> None:
    damaged = Note(code="damaged", quantity="", scope="*", text="cells/a.json could not be read")

    assert "cells/a.json could not be read" in sweep_table(sweep_of(one_cell(), notes=(damaged,))).footnotes


def many(count: int) -> SweepRecord:
    cells = [one_cell(id=str(place), notes=(note(f"odd{place}", f"note {place}"),)) for place in range(count)]
    failed = one_cell(status="failed", failure=CellFailure(kind="segv", text="it crashed"))
    return sweep_of(*cells, failed)


def test_a_long_table_shows_its_first_rows_and_says_where_the_others_are() -> None:
    table = sweep_table(many(300), most_rows=200)

    assert len(table.rows) == 200
    assert table.footnotes[0] == "… 101 more in mine.csv; of 301 cells 300 done, 1 failed."
    assert table.footnotes[-1] == "… 270 more notes in mine.csv"


def test_a_table_that_fits_is_whole() -> None:
    assert sweep_table(many(100), most_rows=200).rows == sweep_table(many(100)).rows


@pytest.mark.parametrize(("form", "has_all"), [("text", False), ("markdown", False), ("csv", True), ("html", True)])
def test_only_documents_that_are_not_read_line_by_line_have_all_rows(form: str, has_all: bool) -> None:
    rendered = render(many(300), form)  # type: ignore[arg-type]  # one of the formats

    assert ("it crashed" in rendered) == has_all
    assert ("101 more in mine.csv" in rendered) != has_all
