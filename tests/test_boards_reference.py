"""The reference plan's sweep of several tests, exported to TensorBoard and read back."""

from __future__ import annotations

from pathlib import Path

import pytest
from boards_reading import Hparams, read
from boards_sweeps import runs_in
from reference_sweeps import reference_sweep
from sweep_parts import with_few_cells
from tensorboard.plugins.hparams import api_pb2

from layerprof.boards import export_tensorboard
from layerprof.records import SweepRecord


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[SweepRecord, Path]:
    """The reference plan's sweep and its export."""
    folder = tmp_path_factory.mktemp("sweep")
    record = with_few_cells(reference_sweep(folder / "runs"))
    export_tensorboard(record, folder / "logs")
    return record, folder / "logs"


@pytest.fixture(scope="module")
def groups(reference: tuple[SweepRecord, Path]) -> dict[str, api_pb2.SessionGroup]:
    """The rows of the HParams page."""
    return Hparams(reference[1]).groups()


def test_cells_lie_below_the_first_test_that_they_are_in(reference: tuple[SweepRecord, Path]) -> None:
    record, logdir = reference

    runs = runs_in(logdir)

    ran = [cell for cell in record.cells if cell.status in ("done", "failed")]
    assert len(runs) == len(ran) + 1
    assert {run.split("/")[0] for run in runs} == {*(test.name for test in record.plan.tests), "report"}
    assert "batch/batch_size=8" in runs


def test_the_report_has_every_table_and_figure_of_the_tests(reference: tuple[SweepRecord, Path]) -> None:
    _, logdir = reference

    found = read(logdir / "report")

    titles = [tag.partition(" ")[2] for tag in found.texts if tag.startswith("report/")]
    assert titles[0] == "Device, as published"
    assert {"Findings", "Optimization, in full", "What was in force"} <= set(titles)
    assert {tag.split("/")[1] for tag in found.pictures} == {"device", "batch", "image_size", "seq_len", "optimization"}
    assert "batch: by batch_size/latency_s" in found.scalars


def test_an_optimisation_that_was_not_in_force_is_a_failure_without_numbers(
    groups: dict[str, api_pb2.SessionGroup],
) -> None:
    group = groups["optimization/optimization=sdpa_flash"]

    assert group.sessions[0].status == api_pb2.STATUS_FAILURE
    assert not list(group.sessions[0].metric_values)


def test_hparams_tell_which_tests_a_cell_is_in(
    reference: tuple[SweepRecord, Path], groups: dict[str, api_pb2.SessionGroup]
) -> None:
    record, _ = reference

    shared = groups["batch/batch_size=16"].hparams["test of the plan"].string_value

    (cell,) = {cell.id for test in record.plan.tests for cell in record.cells if cell.id in test.cells
               and test.name == "batch" and cell.axes["batch_size"] == 16}  # fmt: skip
    assert shared == " + ".join(test.name for test in record.plan.tests if cell in test.cells)
