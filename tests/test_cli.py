"""The command line as a whole: help, version, usage errors, what the doctor says, and quiet standard error."""

from __future__ import annotations

import dataclasses
import os
import runpy
import sys
import warnings
from pathlib import Path

import pytest
import torch
from report_records import batch_sweep

import layerprof as lp
from layerprof import machine
from layerprof.cli import doctor
from layerprof.cli.base import console, write_sweep_files
from layerprof.cli.doctor.ceilings import print_device
from layerprof.cli.main import main
from layerprof.errors import UnavailableError
from layerprof.records import Ceilings, FrozenMapping

COMMANDS = ("profile", "sweep", "report", "doctor")


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0

    output = capsys.readouterr().out
    assert all(f"\n  {name} " in output for name in COMMANDS)


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0

    assert "Usage: layerprof" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0

    assert "--traceback" in capsys.readouterr().out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0

    assert capsys.readouterr().out == f"layerprof {lp.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["profil"], "No such command 'profil'. Did you mean 'profile'?"),
        (["profile"], "Missing argument"),
        (["sweep", "batch"], "Missing option '--out'"),
        (["report", "x", "--format", "pdf"], "Invalid value for '--format'"),
    ],
)
def test_bad_usage_gets_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2

    errors = capsys.readouterr().err
    assert errors.startswith("layerprof: error: ")
    assert message in errors
    assert errors.count("\n") == 1


def test_the_module_is_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["layerprof", "report", "nothing.json"])

    with pytest.raises(SystemExit) as ended:
        runpy.run_module("layerprof", run_name="__main__", alter_sys=True)  # what python -m does

    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("layerprof: error: ")


def test_the_doctor_says_what_can_be_measured_and_what_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0

    output, errors = capsys.readouterr()
    lines = [line.split() for line in output.splitlines()]
    assert errors == ""
    assert ["pass", "flops", "yes"] in [line[:3] for line in lines]
    assert ["pass", "energy"] in [line[:2] for line in lines]
    assert ["device", "cpu", "yes"] in [line[:3] for line in lines]


def test_the_doctor_shows_measured_ceilings_beside_the_vendors_and_where_they_are_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(doctor, "_facts", lambda: iter(()))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    asked: list[tuple[str, ...]] = []

    def fake_ceilings_of(device: torch.device, dtypes: tuple[str, ...], *, refresh: bool, tell: object) -> Ceilings:
        assert refresh
        asked.append(dtypes)
        return Ceilings(
            kind="measured",
            device="a processor",
            source="a fake",
            matrix_flops_per_s=FrozenMapping({"float32": 3e9}),
            copy_bytes_per_s=20e9,
            launch_s=2e-6,
            conditions=FrozenMapping(
                {
                    "threads": "2",
                    "load": "0.5",
                    "copy": "large",
                    "launch": "small",
                    "float32": "wide",
                    "int8": "torch refused",
                }
            ),
        )

    peaks = Ceilings(
        kind="vendor", device="a processor", source="a page", matrix_flops_per_s=FrozenMapping({"float32": 4e9})
    )
    monkeypatch.setattr(machine, "ceilings_of", fake_ceilings_of)
    monkeypatch.setattr(machine, "required_peaks", lambda device: peaks)

    assert main(["doctor", "--ceilings"]) == 0

    output, errors = capsys.readouterr()
    rows = [line.split() for line in output.splitlines()]
    assert ["copy", "20.0", "GB/s", "–", "–", "large"] in rows
    assert ["launch", "2.00", "µs", "–", "–", "small"] in rows
    assert ["products", "float32", "3.00", "GFLOP/s", "4.00", "GFLOP/s", "75.0", "%", "wide"] in rows
    assert ["products", "int8", "–", "–", "–", "torch", "refused"] in rows
    assert "a page" in output
    assert "kept in" in output
    assert errors == ""
    assert len(asked) == 1


def test_the_doctor_says_why_a_device_has_no_peaks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_peaks(device: torch.device) -> Ceilings:
        raise UnavailableError("peaks of 'a processor': its clock is not known")

    measured = Ceilings(
        kind="measured",
        device="a processor",
        source="a fake",
        conditions=FrozenMapping({"threads": "2", "load": "0.5"}),
    )
    monkeypatch.setattr(machine, "required_peaks", no_peaks)

    print_device(torch.device("cpu"), measured, ("float32",))

    assert "its clock is not known" in capsys.readouterr().out


def test_the_doctor_measures_nothing_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        pytest.fail("ceilings were measured")

    monkeypatch.setattr(doctor, "_facts", lambda: iter(()))
    monkeypatch.setattr(machine, "ceilings_of", fail)

    assert main(["doctor"]) == 0


def test_only_a_sweep_over_batch_sizes_has_its_plot_and_an_old_one_is_removed(tmp_path: Path) -> None:
    over_batches = batch_sweep()
    plan = dataclasses.replace(over_batches.plan, axes=(("image_size", (224, 336)),))

    with_plot = write_sweep_files(over_batches, tmp_path)
    without = write_sweep_files(dataclasses.replace(over_batches, plan=plan), tmp_path)

    assert [path.name for path in with_plot[3:]] == ["latency_energy_plot.png", "latency_energy_plot.svg"]
    assert [path.name for path in without] == ["batch.md", "batch.csv", "batch.html"]
    assert set(tmp_path.iterdir()) == set(without)


def test_other_libraries_are_quiet_and_warnings_are_as_before(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loud_models.py").write_text(
        "import warnings, torch\n"
        "def build():\n    warnings.warn('look at me')\n    return torch.nn.Linear(2, 2), torch.ones(1, 2)\n"
    )
    monkeypatch.chdir(tmp_path)
    before = list(warnings.filters)

    status = main(["profile", "loud_models:build", "--repeats", "2"])

    assert (status, capsys.readouterr().err) == (0, "")
    assert list(warnings.filters) == before


def test_a_pipe_has_a_width_of_its_own_unless_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "COLUMNS", "200")

    assert console().width == 200

    monkeypatch.delitem(os.environ, "COLUMNS")
    assert console().width == 120
