"""A sweep exported to TensorBoard and read back: a run a cell, HParams, the metrics over each axis, the report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from boards_reading import Hparams, read
from boards_sweeps import Settings, as_float32, bare_making, runs_in, sweep_of, with_profile
from ledger_runs import run as ledger_run
from ledger_runs import summary as ledger_summary
from report_records import batch_metrics, batch_sweep, profile_of, two_blocks
from tensorboard.plugins.hparams import api_pb2

from layerprof.boards import export_tensorboard
from layerprof.boards.sweeps import export_sweep
from layerprof.boards.sweeps.series import MOST_LINES
from layerprof.errors import RecordError
from layerprof.ledger import Layout
from layerprof.records import (
    AxisValue,
    CellFailure,
    CellStatus,
    FrozenMapping,
)
from layerprof.store import to_bytes, write_record


def test_each_cell_is_a_run_named_after_its_settings(tmp_path: Path) -> None:
    export_tensorboard(batch_sweep(), tmp_path)

    assert runs_in(tmp_path) == {"batch_size=1", "batch_size=4", "batch_size=8", "report"}


def test_a_cells_run_has_its_metrics_at_the_swept_value(tmp_path: Path) -> None:
    export_tensorboard(batch_sweep(), tmp_path)

    found = read(tmp_path / "batch_size=4").scalars

    known = {name: number for name, number in batch_metrics(4).items() if number is not None}
    assert found == {f"metrics/{name}": [(4, as_float32(number))] for name, number in known.items()}


def test_a_cells_run_has_its_layers_and_tables(tmp_path: Path) -> None:
    profile = profile_of(two_blocks())
    record = with_profile(batch_sweep(), profile, tmp_path / "runs")

    export_tensorboard(record, tmp_path / "logs")

    found = read(tmp_path / "logs" / "batch_size=1")
    assert [step for step, _ in found.scalars["layers/self_time_s"]] == list(range(len(profile.layers)))
    assert found.text("tables/01 Summary")
    assert found.pictures == {}


def test_events_of_a_cell_are_of_the_time_at_which_its_run_ended(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "runs")
    truth = ledger_run(ledger_summary(ended_at_s=1234.5))
    stem = f"{truth.summary.cell}.{truth.summary.environment}.0"
    record = sweep_of([{"batch_size": 1}, {"batch_size": 2}])
    write_record(profile_of(two_blocks()), layout.folder / "profiles" / f"{stem}.json")
    layout.cells.mkdir()
    (layout.cells / f"{stem}.json").write_bytes(to_bytes(truth))
    first = replace(record.cells[0], profile_path=f"profiles/{stem}.json", folder=str(layout.folder))

    export_sweep(replace(record, cells=(first, *record.cells[1:])), tmp_path / "logs", bare_making(now_s=9876.5))

    assert read(tmp_path / "logs" / "batch_size=1").times_s == {1234.5}
    assert read(tmp_path / "logs" / "batch_size=2").times_s == {
        9876.5
    }  # of the export: nothing says when it was measured


@pytest.mark.parametrize(
    ("values", "kind", "domain"),
    [
        ((4, 1, 8), api_pb2.DATA_TYPE_FLOAT64, [1.0, 4.0, 8.0]),
        ((0.5, 2), api_pb2.DATA_TYPE_FLOAT64, [0.5, 2.0]),
        (("sdpa", "eager"), api_pb2.DATA_TYPE_STRING, ["sdpa", "eager"]),
        ((True, False), api_pb2.DATA_TYPE_BOOL, [False, True]),
        ((None, 224), api_pb2.DATA_TYPE_STRING, ["none", "224"]),
        ((True, 1), api_pb2.DATA_TYPE_STRING, ["True", "1"]),
    ],
)
def test_an_axis_has_a_discrete_domain_of_its_values(
    tmp_path: Path, values: Sequence[AxisValue], kind: int, domain: list[AxisValue]
) -> None:
    export_tensorboard(sweep_of([{"axis": value} for value in values]), tmp_path)

    (info,) = Hparams(tmp_path).experiment().hparam_infos
    assert info.name == "axis"
    assert info.type == kind
    assert list(info.domain_discrete) == domain


def test_only_axes_that_vary_are_columns(tmp_path: Path) -> None:
    export_tensorboard(sweep_of([{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]), tmp_path)

    assert [info.name for info in Hparams(tmp_path).experiment().hparam_infos] == ["a"]


def test_a_row_of_hparams_is_the_cell(tmp_path: Path) -> None:
    export_tensorboard(batch_sweep(), tmp_path)

    page = Hparams(tmp_path)
    groups = page.groups()
    metrics = {metric.name.tag: metric.value for metric in groups["batch_size=4"].metric_values}
    assert set(groups) == {"batch_size=1", "batch_size=4", "batch_size=8"}
    assert groups["batch_size=4"].hparams["batch_size"].number_value == 4
    assert metrics["metrics/latency_s"] == as_float32(batch_metrics(4)["latency_s"] or 0.0)
    shown = {info.name.tag: info.display_name for info in page.experiment().metric_infos}
    assert shown["metrics/latency_s"] == "latency (s)"
    assert "metrics/latency_low_s" not in shown


@pytest.mark.parametrize(
    ("status", "has_metrics", "found"),
    [
        ("done", True, api_pb2.STATUS_SUCCESS),
        ("failed", False, api_pb2.STATUS_FAILURE),
        ("pending", True, api_pb2.STATUS_RUNNING),
    ],
)
def test_how_a_cell_ended_is_its_sessions_status(
    tmp_path: Path, status: CellStatus, has_metrics: bool, found: int
) -> None:
    export_tensorboard(sweep_of([{"a": 1}, {"a": 2}], status=status, has_metrics=has_metrics), tmp_path)

    assert {group.sessions[0].status for group in Hparams(tmp_path).groups().values()} == {found}


def test_a_cell_that_was_measured_and_is_not_what_was_asked_for_is_a_failure(tmp_path: Path) -> None:
    record = sweep_of([{"a": 1}, {"a": 2}])
    failure = CellFailure(kind="not_in_force", text="another kernel ran")

    export_tensorboard(replace(record, cells=(replace(record.cells[0], failure=failure), record.cells[1])), tmp_path)

    groups = Hparams(tmp_path).groups()
    assert groups["a=1"].sessions[0].status == api_pb2.STATUS_FAILURE
    assert groups["a=2"].sessions[0].status == api_pb2.STATUS_SUCCESS


@pytest.mark.parametrize("status", ["pending", "skipped"])
def test_a_cell_that_never_ran_stands_in_the_report_with_its_reason(tmp_path: Path, status: CellStatus) -> None:
    record = sweep_of([{"a": 1}, {"a": 2}])
    failure = CellFailure(kind="excluded", text="too large for it") if status == "skipped" else None
    cell = replace(record.cells[1], status=status, metrics=FrozenMapping(), failure=failure)

    export_tensorboard(replace(record, cells=(record.cells[0], cell)), tmp_path)

    assert runs_in(tmp_path) == {"a=1", "report"}
    words = read(tmp_path / "report").text("report/")
    assert (failure.text if failure else "pending") in words


def test_a_metric_over_an_axis_of_whole_numbers_has_its_values_as_steps(tmp_path: Path) -> None:
    export_tensorboard(batch_sweep(), tmp_path)

    found = read(tmp_path / "report")
    measured = {size: batch_metrics(size)["latency_s"] or 0.0 for size in (1, 4)}
    assert found.scalars["by batch_size/latency_s"] == [(size, as_float32(s)) for size, s in measured.items()]
    assert not found.text("by batch_size")


def test_other_axes_have_their_positions_as_steps_and_a_text_that_maps_them(tmp_path: Path) -> None:
    export_tensorboard(sweep_of([{"dtype": None}, {"dtype": "bf16"}]), tmp_path)

    found = read(tmp_path / "report")
    assert found.scalars["by dtype/latency_s"] == [(0, 1.0), (1, 2.0)]
    rows = re.findall(r"^\| (\d) \| (\w+) \|", found.text("by dtype"), flags=re.MULTILINE)
    assert rows == [("0", "none"), ("1", "bf16")]


def test_what_else_varies_tells_the_lines_apart(tmp_path: Path) -> None:
    rows: list[Settings] = [{"a": a, "b": b} for a in (1, 2) for b in ("x", "y")]

    export_tensorboard(sweep_of(rows), tmp_path)

    found = read(tmp_path / "report").scalars
    assert found["by a/latency_s/b=x"] == [(1, 1.0), (2, 3.0)]
    assert found["by a/latency_s/b=y"] == [(1, 2.0), (2, 4.0)]
    assert found["by b/latency_s/a=2"] == [(0, 3.0), (1, 4.0)]


def test_lines_beyond_the_limit_are_told_in_the_report(tmp_path: Path) -> None:
    rows: list[Settings] = [{"a": a, "b": b} for a in (1, 2) for b in range(MOST_LINES + 3)]

    export_tensorboard(sweep_of(rows), tmp_path)

    found = read(tmp_path / "report")
    assert len([tag for tag in found.scalars if tag.startswith("by a/latency_s/")]) == MOST_LINES
    assert "3 lines beyond the first 64" in found.text("report/")


def test_the_layout_of_the_report_draws_the_lines_of_a_metric_together(tmp_path: Path) -> None:
    rows: list[Settings] = [{"a": a, "b": b} for a in (1, 2) for b in ("x", "y")]
    record = with_profile(sweep_of(rows), profile_of(two_blocks()), tmp_path / "runs")

    export_tensorboard(record, tmp_path / "logs")

    found = read(tmp_path / "logs" / "report")
    assert found.layout is not None
    titles = [category.title for category in found.layout.category]
    assert titles == ["Sweep by a", "Sweep by b", "by layer"]
    (chart,) = found.layout.category[0].chart
    shown = {tag for tag in found.scalars for pattern in chart.multiline.tag if re.match(pattern, tag)}
    assert shown == {"by a/latency_s/b=x", "by a/latency_s/b=y"}
    assert "device time by layer (s)" not in [chart.title for chart in found.layout.category[2].chart]


def test_a_damaged_profile_is_told_in_the_report_and_other_cells_go_on(tmp_path: Path) -> None:
    record = with_profile(batch_sweep(), profile_of(two_blocks()), tmp_path / "runs")
    (tmp_path / "runs" / "profiles" / "first.json").write_text('{"format": "layerprof"')

    export_tensorboard(record, tmp_path / "logs")

    assert "metrics/latency_s" in read(tmp_path / "logs" / "batch_size=1").scalars
    assert "metrics/latency_s" in read(tmp_path / "logs" / "batch_size=4").scalars
    left_out = read(tmp_path / "logs" / "report").text("report/02 left out")
    assert "the layers of batch_size=1" in left_out
    assert "first.json is truncated" in left_out


def test_a_cell_by_itself_is_one_run_with_figures(tmp_path: Path) -> None:
    cell = with_profile(batch_sweep(), profile_of(two_blocks()), tmp_path / "runs").cells[0]

    export_tensorboard(cell, tmp_path / "logs")

    found = read(tmp_path / "logs")
    assert found.scalars["metrics/latency_s"] == [(0, as_float32(batch_metrics(1)["latency_s"] or 0.0))]
    assert "figures/stages" in found.pictures
    assert runs_in(tmp_path / "logs") == {"."}


def test_a_cell_by_itself_with_a_damaged_profile_is_refused(tmp_path: Path) -> None:
    cell = with_profile(batch_sweep(), profile_of(two_blocks()), tmp_path / "runs").cells[0]
    (tmp_path / "runs" / "profiles" / "first.json").write_text("{")

    with pytest.raises(RecordError, match=r"first\.json is truncated"):
        export_tensorboard(cell, tmp_path / "logs")
