"""``layerprof sweep reference``: what the command leaves, what its report says, and that more tests may follow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import layerprof as lp
from layerprof.cli.main import main

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``layerprof`` in a folder of its own; gives exit status and output."""
    monkeypatch.chdir(tmp_path)

    def called(*arguments: str) -> tuple[int, str]:
        status = main([*arguments])
        return status, capsys.readouterr().out

    return called


@pytest.mark.slow
def test_some_tests_of_the_reference_and_then_more_of_them(run: Run) -> None:
    command = ("sweep", "reference", "--model", "blip2-tiny", "--samples", "4", "--quick", "--device", "cpu")

    first, shown = run(*command, "--tests", "batch", "--out", "ref")
    cells = {path: path.stat().st_mtime_ns for path in Path("ref/cells").iterdir()}
    second, both = run(*command, "--tests", "device,batch", "--out", "ref")
    reported, compared = run("report", "ref", "--against", "reference")
    _, tidy = run("report", "ref", "--format", "json")
    _, raw = run("report", "ref", "--format", "raw")

    assert (first, second, reported) == (0, 0, 0)
    assert "Batch size" in shown
    assert "Device" not in shown.split("Findings")[0]
    assert "Device" in both
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in cells.items())  # none was measured again
    assert "published" in compared
    rows = json.loads(tidy)["cells"]
    assert {row["status"] for row in rows} == {"done", "failed", "skipped"}
    assert raw.count("TextVQA") >= 3
    names = {path.name for path in Path("ref").iterdir()}
    assert {"reference.md", "reference.csv", "reference.html", "latency_energy_plot.png", "evidence"} <= names


@pytest.mark.slow
def test_a_cell_of_the_reference_has_its_layers_its_answers_and_what_was_in_force(tmp_path: Path) -> None:
    plan = lp.plans.reference("blip2-tiny", samples=2, source="sample", device="cpu").only(["device"]).quick()

    record = lp.sweep(plan, tmp_path / "ref", executor="inline", progress=False)

    (cell,) = [cell for cell in record.cells if cell.axes["device"] == "cpu"]
    assert cell.status == "done"
    assert cell.profile is not None
    evidence = cell.evidence
    assert evidence is not None
    assert evidence.truth is not None
    assert evidence.truth.is_in_force is True
    assert evidence.quality is not None
    assert len(evidence.quality.samples) == 2
    assert lp.load(tmp_path / "ref") == record
