"""A sweep on hardware: fresh processes, the device by its driver's name, its clocks seen, memory that runs out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import layerprof as lp
from layerprof.ledger import Layout, read_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("swept")


@pytest.fixture(scope="module")
def record(folder: Path) -> lp.SweepRecord:
    axes = {"device": ("cpu", "cuda"), "dtype": ("fp16",), "device_type": (None, torch.cuda.get_device_name(0))}
    plan = lp.Plan(model="blip2-tiny", axes=axes, links=(("device", "device_type"),), rounds=2)
    return lp.sweep(plan, folder, progress=False)


def test_cells_of_both_devices_are_done(record: lp.SweepRecord) -> None:
    assert [(cell.axes["device"], cell.status) for cell in record.cells] == [("cpu", "done"), ("cuda", "done")]


def test_a_run_on_the_device_is_a_fresh_process_that_knows_its_card(record: lp.SweepRecord, folder: Path) -> None:
    runs = [read_run(path) for path in Layout(folder).cells.iterdir()]
    on_card = [run.conditions for run in runs if run.axes["device"] == "cuda" and run.conditions is not None]

    assert {conditions.isolation for conditions in on_card} == {"fresh"}
    assert {conditions.device_type for conditions in on_card} == {torch.cuda.get_device_name(0)}
    assert all(conditions.clock_ratio is None or 0.0 < conditions.clock_ratio <= 1.1 for conditions in on_card)


def test_a_type_that_the_card_is_not_is_refused(tmp_path: Path) -> None:
    plan = lp.Plan(model="blip2-tiny", axes={"device_type": ("abacus",)}, fixed={"device": "cuda"}, rounds=1)

    with pytest.raises(lp.UnavailableError, match="no cell of the plan has its device here"):
        lp.sweep(plan, tmp_path, progress=False)


def test_a_batch_that_does_not_fit_is_out_of_the_cards_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "too_large.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Linear):\n"
        "    def forward(self, x):\n"
        "        return super().forward(x) + torch.empty(1 << 42, dtype=torch.uint8, device=x.device)[0]\n"
        "def build():\n"
        "    return Net(4, 4), torch.ones(3, 4)\n"
    )
    monkeypatch.chdir(tmp_path)
    plan = lp.Plan(model="too_large:build", axes={"device": ("cuda",)}, rounds=1)

    (cell,) = lp.sweep(plan, tmp_path / "out", progress=False).cells

    assert cell.failure is not None
    assert cell.failure.kind == "oom_cuda"
