"""The tables of sweeps: by batch size, and of any other plan."""

from __future__ import annotations

import dataclasses

import pytest
from report_records import NO_ENERGY, batch_metrics, batch_sweep

from layerprof.records import AxisValue, CellRecord, FrozenMapping, PlanRecord, SweepRecord
from layerprof.views import Amount, Table, sweep_table
from layerprof.views.sweep import quantity_of


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
    assert cell_of(table, 0, "wer") == 3.75
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
