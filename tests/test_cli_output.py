"""A standard output that cannot be written, and the words of the options: one line of error, never a traceback."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from report_records import batch_sweep

from layerprof import output
from layerprof.cli import main as command_line
from layerprof.cli.base import BAD_INPUT, CHECK_FAILED, require_place
from layerprof.cli.main import main
from layerprof.errors import InputError


class FailingOutput(io.StringIO):
    """Takes text and fails when it is to reach its place, as a buffered file does; or at once."""

    def __init__(self, number: int, *, is_buffered: bool = True) -> None:
        super().__init__()
        self.error = OSError(number, os.strerror(number))
        self.is_buffered = is_buffered

    def write(self, text: str) -> int:
        if not self.is_buffered:
            raise self.error
        return super().write(text)

    def flush(self) -> None:
        raise self.error

    def close(self) -> None:
        super().close()
        raise self.error


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.json"
    output.save(batch_sweep(), path)
    return path


@pytest.mark.parametrize("is_buffered", [True, False])
@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["report"]], ids=lambda each: each[0])
def test_a_full_output_gets_one_line(
    arguments: list[str],
    is_buffered: bool,
    saved: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    full = FailingOutput(errno.ENOSPC, is_buffered=is_buffered)
    monkeypatch.setattr(sys, "stdout", full)

    status = main([*arguments, str(saved)] if arguments == ["report"] else arguments)

    assert status == BAD_INPUT
    said = f"cannot write the output: {full.error.strerror}; make room, or redirect it to another place"
    assert capsys.readouterr().err == f"layerprof: error: {said}\n"
    assert full.closed  # so that Python does not try again when it ends


def test_a_reader_that_left_is_told_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", FailingOutput(errno.EPIPE))

    status = main(["--version"])

    assert status == CHECK_FAILED
    assert capsys.readouterr().err == ""


def test_a_closed_output_gets_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdout", None)

    status = main(["--version"])

    assert status == BAD_INPUT
    assert capsys.readouterr().err == "layerprof: error: standard output is closed; redirect it to a file\n"


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "gone"), OSError(errno.ENOSPC, "full", "some.file")], ids=str
)
def test_an_error_of_anything_else_is_not_passed_off_as_the_outputs(
    error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> int:
        raise error

    monkeypatch.setattr(command_line, "_run", failing)

    with pytest.raises(OSError, match=str(error.strerror)) as caught:
        main(["--version"])

    assert caught.value is error


def test_the_process_says_it_once(tmp_path: Path) -> None:
    program = "import sys; from layerprof.cli.main import main; sys.exit(main(['--help']))"
    with (tmp_path / "read_only").open("w+") as made, Path(made.name).open() as read_only:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=read_only, stderr=subprocess.PIPE, text=True, check=False
        )

    assert done.returncode == BAD_INPUT
    assert done.stderr.count("\n") == 1
    assert "cannot write the output: Bad file descriptor" in done.stderr


def test_a_place_that_holds_a_pipe_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "profile.json")

    with pytest.raises(InputError, match=r"profile\.json is no regular file; choose another --out"):
        require_place(tmp_path, ["profile.json"])


def test_the_help_of_a_sweep_tells_what_a_reference_takes_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--help"]) == 0

    words = " ".join(capsys.readouterr().out.split())
    assert "[default: (cpu; of reference cuda where there is one)]" in words
    assert "[default: (the model's own; of reference fp16 on a GPU)]" in words
