"""``layerprof report`` of a sweep of several tests: its formats, and published figures beside its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from reference_sweeps import reference_sweep
from report_records import flop_report, profile_of, two_blocks
from sweep_parts import of_tests, with_few_cells

from layerprof.cli.main import main
from layerprof.records import SweepRecord
from layerprof.store import write_record

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("records")


@pytest.fixture(scope="module")
def record(folder: Path) -> SweepRecord:
    """The sweep in the folder, which has a profile and a FLOP report beside it."""
    made = of_tests(with_few_cells(reference_sweep(folder)), "batch", "optimization")
    write_record(made, folder / "sweep.json")
    write_record(profile_of(two_blocks()), folder / "one.profile.json")
    write_record(flop_report(), folder / "flops.json")
    return made


@pytest.fixture
def run(record: SweepRecord, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``layerprof report`` beside the records, which it reads alone; gives exit status, output and errors."""
    monkeypatch.chdir(folder)

    def run_it(*arguments: str) -> tuple[int, str, str]:
        status = main(["report", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_it


def test_a_sweep_as_json_has_a_cell_for_each_of_its_own(run: Run, record: SweepRecord) -> None:
    status, output, _ = run("sweep.json", "--format", "json")

    assert status == 0
    assert len(json.loads(output)["cells"]) == len(record.cells)


def test_a_sweep_as_raw_figures_is_a_block_for_each_cell(run: Run, record: SweepRecord) -> None:
    status, output, _ = run("sweep.json", "--format", "raw")

    assert status == 0
    assert len(output.rstrip("\n").split("\n\n")) == len(record.cells)
    assert "Beside the published" not in output


@pytest.mark.parametrize("format", ["text", "markdown", "html", "json", "raw"])
def test_published_figures_stand_beside_the_sweeps_own_where_they_were_asked_for(run: Run, format: str) -> None:
    word = "comparisons" if format == "json" else "Beside the published figures"

    status, output, errors = run("sweep.json", "--format", format, "--against", "reference")

    assert (status, errors) == (0, "")
    assert word in output
    if format == "json":
        assert json.loads(output)["analysis"]["comparisons"]


def test_the_csv_stays_a_row_a_cell_and_a_note_says_so(run: Run) -> None:
    plain = run("sweep.json", "--format", "csv")

    status, output, errors = run("sweep.json", "--format", "csv", "--against", "reference")

    assert (status, output) == plain[:2]
    assert errors == "layerprof: note: csv has one row a cell and no comparison; the other formats have it\n"


def test_figures_that_are_not_there_get_one_line(run: Run) -> None:
    status, output, errors = run("sweep.json", "--against", "hearsay")

    assert (status, output) == (2, "")
    assert "no published figures 'hearsay'" in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(("name", "kind"), [("one.profile.json", "profile"), ("flops.json", "FLOP report")])
@pytest.mark.parametrize("arguments", [("--against", "reference"), ("--format", "raw"), ("--format", "json")])
def test_what_is_of_sweeps_alone_is_refused_in_one_line(
    run: Run, name: str, kind: str, arguments: tuple[str, str]
) -> None:
    status, output, errors = run(name, *arguments)

    assert (status, output) == (2, "")
    assert "for sweeps" in errors
    assert kind in errors
    assert errors.count("\n") == 1


def test_a_file_gets_what_standard_output_would_have(run: Run, tmp_path: Path) -> None:
    _, output, _ = run("sweep.json", "--format", "raw", "--against", "reference")

    run("sweep.json", "--format", "raw", "--against", "reference", "--out", str(tmp_path / "figures.txt"))

    assert (tmp_path / "figures.txt").read_text() == output
