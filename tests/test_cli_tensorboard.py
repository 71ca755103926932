"""The command that shows a folder in TensorBoard: what it prints, how it ends, and what it refuses."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import pytest
from viewer_commands import running
from viewer_servers import DEADLINE_S, Served, module_events, write_trace

from layerprof.cli.main import main
from layerprof.cli.tensorboard import _note_on_runs


def test_the_url_is_printed_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    write_trace(tmp_path / "run" / "w.1.pt.trace.json.gz", module_events(["encoder.fc1"]))

    with running("--logdir", str(tmp_path), "--port", "0") as (process, told):
        address = re.search(r"http://127\.0\.0\.1:\d+/", told)
        assert address is not None
        runs = Served(address.group()).await_runs()
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=DEADLINE_S)

    assert runs == ["run"]
    assert process.returncode == 0
    assert complaints == ""


@pytest.mark.slow
def test_ctrl_c_while_traces_are_read_ends_it_too(tmp_path: Path) -> None:
    write_trace(tmp_path / "run" / "w.1.pt.trace.json.gz", module_events(["encoder.fc1"], ops_each=20_000))

    with running("--logdir", str(tmp_path), "--port", "0") as (process, told):
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=DEADLINE_S)

    assert "http://" in told
    assert process.returncode == 0
    assert complaints == ""


@pytest.mark.slow
def test_a_damaged_trace_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "w.pt.trace.json").write_text('{"traceEvents": [')

    with running("--logdir", str(tmp_path), "--port", "0") as (process, told):
        Served(told.split()[-4]).await_runs()
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=DEADLINE_S)

    assert len(complaints.splitlines()) == 1
    assert complaints.startswith("layerprof: note: trace w of run ")


def one_line(captured: pytest.CaptureFixture[str]) -> str:
    lines = captured.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["tensorboard", "--logdir", str(tmp_path / "none")])

    assert status == 2
    assert "give --logdir a folder" in one_line(capsys)


def test_a_port_in_use_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status = main(["tensorboard", "--logdir", str(tmp_path), "--port", str(taken.getsockname()[1])])

    assert status == 2
    assert "give another --port" in one_line(capsys)


def test_without_a_logdir_the_option_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["tensorboard"])

    assert status == 2
    assert "--logdir" in one_line(capsys)


def test_a_folder_below_the_home_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "file").touch()

    status = main(["tensorboard", "--logdir=~/file"])

    assert status == 2
    assert f"{tmp_path}/file is a file" in one_line(capsys)


@pytest.mark.parametrize("given", ["", " "])
def test_an_empty_logdir_is_not_the_folder_one_stands_in(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["tensorboard", "--logdir", given])

    assert status == 2
    assert "--logdir is empty" in one_line(capsys)


@pytest.mark.parametrize(
    ("runs", "note"),
    [(0, "nothing to show in "), (1, None), (40, None), (41, "of more than 40 runs, here 41, TensorBoard ticks none")],
)
def test_empty_pages_are_told_before(tmp_path: Path, runs: int, note: str | None) -> None:
    for run in range(runs):
        (tmp_path / str(run)).mkdir()
        (tmp_path / str(run) / "events.out.tfevents.1").touch()

    told = _note_on_runs(tmp_path)

    assert (told or "").startswith(note or "")
    assert (told is None) == (note is None)


def test_traces_alone_are_something_to_show(tmp_path: Path) -> None:
    write_trace(tmp_path / "w.1.pt.trace.json.gz", [])

    assert _note_on_runs(tmp_path) is None
