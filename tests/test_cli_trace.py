"""``--trace``: what the commands leave for TensorBoard and Perfetto, and traces of torch's own that are reported."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from quick_cells import quick_cells
from torch import nn
from torch_traces import cuda_trace, written

import layerprof as lp
from layerprof.cli.main import main

MODULE = """
import torch
from torch import nn


def build():
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU()), torch.ones(3, 4)
"""
SWEEP = """
model: "small_net:build"
axes: {dtype: [fp32, bf16]}
rounds: 1
fixed: {quick: true}
"""


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    with quick_cells():
        yield


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "small_net.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names_in(folder: Path) -> set[str]:
    return {path.name.split(".", 1)[1] for path in folder.iterdir() if not path.name.startswith(".")}


def module_names(trace: Path) -> set[str]:
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    return {event["name"] for event in events if event.get("cat") == "python_function"}


def test_a_profile_with_a_trace_leaves_what_tensorboard_opens(
    subject: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["profile", "small_net:build", "--repeats", "2", "--trace", "--out", "made"])

    assert status == 0
    run = subject / "made" / "tensorboard" / "profile"
    (trace,) = run.glob("*.pt.trace.json.gz")
    assert module_names(trace) == {"nn.Module: Sequential", "nn.Module: 0", "nn.Module: 1"}
    assert list(run.glob("events.out.tfevents.*"))
    assert "look with: layerprof tensorboard --logdir made" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ((), "add --out FOLDER"),
        (("--out", "made", "--passes", "time,flops"), "add ops to it"),
    ],
)
def test_a_trace_that_could_not_be_left_is_refused_before_anything_runs(
    subject: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], remedy: str
) -> None:
    status = main(["profile", "small_net:build", "--trace", *options])

    assert status == 2
    assert remedy in capsys.readouterr().err
    assert not (subject / "made").exists()


def test_a_place_for_traces_that_is_no_folder_is_refused_before_anything_runs(
    subject: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (subject / "made").mkdir()
    (subject / "made" / "tensorboard").write_text("")

    status = main(["profile", "small_net:build", "--trace", "--out", "made"])

    assert status == 2
    assert "choose another --out" in capsys.readouterr().err
    assert not (subject / "made" / "profile.json").exists()


def test_a_trace_that_cannot_be_left_costs_neither_the_profile_nor_its_table(
    subject: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (subject / "made" / "tensorboard").mkdir(parents=True)
    (subject / "made" / "tensorboard" / "profile").write_text("")

    status = main(["profile", "small_net:build", "--repeats", "2", "--trace", "--out", "made"])

    shown = capsys.readouterr()
    assert status == 2
    assert shown.err.count("\n") == 1
    assert "(unattributed)" in shown.out
    assert (subject / "made" / "profile.json").exists()


@pytest.mark.slow
def test_a_sweep_with_traces_leaves_a_run_a_cell_and_can_go_on(
    subject: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (subject / "plan.yaml").write_text(SWEEP)
    command = ["sweep", "plan.yaml", "--executor", "inline", "--trace", "--out", "made"]

    first, second = main(command), main(command)

    assert (first, second) == (0, 0)
    boards = subject / "made" / "tensorboard"
    assert {path.name for path in boards.iterdir()} == {"dtype=fp32", "dtype=bf16", "report"}
    assert all(list((boards / name).glob("*.pt.trace.json.gz")) for name in ("dtype=fp32", "dtype=bf16"))
    assert not lp.load(subject / "made").notes  # the folder is none that a sweep does not know
    assert "TensorBoard: made/tensorboard" in capsys.readouterr().out


def test_a_sweep_without_traces_leaves_none(subject: Path) -> None:
    (subject / "plan.yaml").write_text(SWEEP)

    main(["sweep", "plan.yaml", "--executor", "inline", "--out", "made"])

    assert not (subject / "made" / "tensorboard").exists()


def test_a_trace_of_torchs_profiler_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    with torch.profiler.profile(with_stack=True) as session:
        model(torch.ones(3, 4))
    session.export_chrome_trace(str(tmp_path / "elsewhere.json"))

    status = main(["report", str(tmp_path / "elsewhere.json"), "--format", "markdown"])

    shown = capsys.readouterr().out
    assert status == 0
    assert "Linear_" in shown
    assert "under the profiler that made the trace" in shown
    assert "with hooks" not in shown
    assert "Sequential, with gradients" in shown
    assert "Sequential, eval mode" not in shown  # which a trace does not tell


def test_a_trace_of_a_device_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["report", str(written(cuda_trace(), tmp_path / "cuda.json"))])

    assert status == 0
    assert "Linear_6" in capsys.readouterr().out


def test_a_trace_that_is_cut_off_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cut.json"
    path.write_text(json.dumps(cuda_trace())[:-100])

    status = main(["report", str(path)])

    complaint = capsys.readouterr().err
    assert status == 2
    assert complaint.count("\n") == 1
    assert "cut.json" in complaint
