"""``layerprof sweep`` and ``layerprof report``: plans by name and by file, the table, and the files of a folder."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from quick_cells import quick_cells
from torch import nn

import layerprof as lp
from layerprof import sweeping
from layerprof.cli.main import main

SWEEP_FILES = {"sweep.json", "cells", "profiles", "plan.md", "plan.csv", "plan.html"}
BATCH_FILES = {"batch.md", "batch.csv", "batch.html", "latency_energy_plot.png", "latency_energy_plot.svg"}

MODULE = """
    import torch
    from torch import nn


    def good():
        return nn.Linear(4, 4), torch.ones(3, 4)


    def seeded():
        seed = torch.initial_seed()

        class Net(nn.Linear):
            def forward(self, x):
                if seed == 666:
                    raise KeyboardInterrupt
                if seed == 13:
                    raise ValueError("bad luck")
                return super().forward(x)

        return Net(4, 4), torch.ones(3, 4)
"""

PLAN = """
    import layerprof as lp

    plan = lp.Plan(model="swept:seeded", axes={{"seed": {seeds}}}, fixed={{"warmup": 1, "repeats": 2}}, rounds=1)
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    with quick_cells():
        yield


@pytest.fixture(scope="module")
def profile() -> lp.Profile:
    return lp.profile(nn.Linear(4, 4), torch.ones(3, 4), passes=("time", "flops"), warmup=1, repeats=2)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``layerprof`` in a folder with a module of models; gives exit status, output and errors."""
    (tmp_path / "swept.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "swept", raising=False)

    def command(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        output, errors = capsys.readouterr()
        return status, output, errors

    return command


def write_plan(*seeds: int) -> str:
    Path("mine.py").write_text(textwrap.dedent(PLAN).format(seeds=list(seeds)))
    return "mine.py"


def statuses(folder: str) -> list[str]:
    record = lp.load(folder)
    assert isinstance(record, lp.SweepRecord)
    return [cell.status for cell in record.cells]


def test_the_batch_sweep_prints_its_table_and_leaves_its_files(run: Run, tmp_path: Path) -> None:
    arguments = ("--samples", "2", "--sizes", "2,4", "--quick", "--executor", "inline", "--out", "out")

    status, output, errors = run("sweep", "batch", *arguments, "--no-progress")

    assert (status, errors) == (0, "")
    assert "latency per batch" in (tmp_path / "out" / "batch.md").read_text()  # a narrow terminal breaks headings
    assert "2 samples do not fill a batch of 4" in " ".join(output.split())
    assert "quick" in output
    assert statuses("out") == ["done", "skipped"]
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"sweep.json", "cells", "profiles", *BATCH_FILES}


def test_a_python_file_gives_a_plan(run: Run, tmp_path: Path) -> None:
    status, output, _ = run("sweep", write_plan(0, 1), "--executor", "inline", "--out", "out")

    assert status == 0
    assert "Sweep plan of swept:seeded" in output
    assert {path.name for path in (tmp_path / "out").iterdir()} >= SWEEP_FILES


def test_a_yaml_file_gives_a_plan(run: Run) -> None:
    Path("mine.yaml").write_text(
        "model: swept:good\naxes: {seed: [0, 1]}\nfixed: {warmup: 1, repeats: 2}\nname: seeds\nrounds: 1\n"
    )

    status, output, _ = run("sweep", "mine.yaml", "--executor", "inline", "--out", "out")

    assert status == 0
    assert "Sweep seeds of swept:good" in output


def test_a_failed_cell_is_a_row_and_exit_status_1(run: Run) -> None:
    status, output, errors = run("sweep", write_plan(13, 1), "--executor", "inline", "--out", "out", "--no-progress")

    assert status == 1
    assert errors == ""
    assert "bad luck" in " ".join(output.split())
    assert statuses("out") == ["failed", "done"]


def test_ctrl_c_shows_the_finished_cells_and_the_same_command_goes_on(run: Run) -> None:
    arguments = ("sweep", write_plan(0, 666, 1), "--executor", "inline", "--out", "out", "--no-progress")
    status, output, errors = run(*arguments)

    assert status == 130
    assert "pending" in output
    assert errors == "layerprof: interrupted: by Ctrl-C; the same command goes on where this one stopped\n"
    assert statuses("out")[1] == "pending"  # cells come in an order that is drawn
    assert Path("out/plan.md").is_file()


def test_ctrl_c_of_a_sweep_begun_anew_does_not_advise_to_begin_anew_once_more(run: Run) -> None:
    arguments = ("sweep", write_plan(0, 666), "--executor", "inline", "--out", "out", "--no-progress")

    _, _, errors = run(*arguments, "--no-resume")

    assert errors == (
        "layerprof: interrupted: by Ctrl-C; the same command without --no-resume goes on where this one stopped\n"
    )


def interrupted_sweep(*arguments: object, **options: object) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_before_there_is_a_sweep_gets_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "sweep", interrupted_sweep)

    assert run("sweep", "batch", "--out", "out") == (
        130,
        "",
        "layerprof: interrupted: by Ctrl-C; nothing was begun\n",
    )


def test_ctrl_c_while_the_plan_is_read_gets_one_line(run: Run) -> None:
    Path("slow.py").write_text("raise KeyboardInterrupt")

    status, _, errors = run("sweep", "slow.py", "--out", "out")

    assert (status, errors) == (130, "layerprof: interrupted: by Ctrl-C; nothing was begun\n")


def test_ctrl_c_before_a_sweep_is_begun_anew_does_not_pass_off_the_old_one_as_its_own(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("sweep", write_plan(0), "--executor", "inline", "--out", "out", "--no-progress")
    run(*arguments)
    monkeypatch.setattr(sweeping, "sweep", interrupted_sweep)

    _, _, errors = run(*arguments, "--no-resume")

    assert errors == (
        "layerprof: interrupted: by Ctrl-C; nothing was begun anew; the table is of what was there before\n"
    )


@pytest.mark.parametrize("command", ["sweep", "report"])
def test_files_that_cannot_be_written_do_not_cost_the_table(run: Run, command: str) -> None:
    arguments = ("sweep", write_plan(0), "--executor", "inline", "--out", "out", "--no-progress")
    run(*arguments)
    Path("out/plan.md").unlink()
    Path("out/plan.md").mkdir()

    status, output, errors = run(*(arguments if command == "sweep" else ("report", "out")))

    assert status == 2
    assert "Sweep plan of swept:seeded" in output
    assert "done" in output
    assert errors.startswith("layerprof: error: ")
    assert "out/plan.md" in errors
    assert errors.count("\n") == 1


def test_an_interrupt_is_told_where_files_cannot_be_written(run: Run) -> None:
    Path("out/plan.md").mkdir(parents=True)

    _, output, errors = run("sweep", write_plan(0, 666), "--executor", "inline", "--out", "out", "--no-progress")

    assert "pending" in output
    assert [line.split(":")[1] for line in errors.splitlines()] == [" interrupted", " error"]


def test_the_executors_help_names_all_of_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    _, output, _ = run("sweep", "--help")

    assert all(f"{name}:" in output for name in ("process", "ray", "workers", "inline"))


def test_cells_that_are_done_stay_unless_told_otherwise(run: Run) -> None:
    def stamp() -> int:
        return next(path for path in Path("out/cells").glob("*.json")).stat().st_mtime_ns

    arguments = ("sweep", write_plan(0), "--executor", "inline", "--out", "out")
    run(*arguments)
    first = stamp()
    run(*arguments)
    second = stamp()
    run(*arguments, "--no-resume")

    assert first == second
    assert stamp() > second


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("reference", "--sizes", "1,2"), "--sizes is no option of the plan reference, which has --model, --samples"),
        (("reference", "--tests", "speed"), "no test 'speed'; its tests are device, batch, image_size, seq_len"),
        (("reference", "--model", "blip2-small"), "use blip2-tiny or blip2-opt-2.7b, not 'blip2-small'"),
        (("batch", "--source", "hub"), "--source is no option of the plan batch"),
        (("speed",), "no plan 'speed'; give reference or batch, a .py file with a `plan`, or a .yaml file"),
        (("gone.py",), "no file gone.py"),
        (("swept.py",), "swept.py has no `plan` that is a layerprof.Plan"),
        (("broken.py",), "broken.py could not be run: ZeroDivisionError"),
        (("broken.yaml",), "broken.yaml could not be read as YAML"),
        (("wrong.yaml",), "wrong.yaml has to be a mapping of model, axes"),
        (("mine.py", "--samples", "3"), "--samples belongs to the plans reference or batch"),
        (("batch", "--model", "blip2-small"), "no model 'blip2-small'"),
        (("batch", "--sizes", "1,two"), "--sizes takes whole numbers separated by commas"),
        (("batch", "--sizes", "0"), "batch_size is a whole number from 1 up; found 0"),
        (("batch", "--samples", "0"), "samples is a whole number from 1 up; found 0"),
        (("batch", "--dtype", "int3"), "no dtype 'int3'"),
        (("batch", "--executor", "threads"), "no executor 'threads'; use one of process"),
        (("batch", "--rounds", "0"), "rounds"),
        (("batch", "--timeout", "0"), "timeout_s"),
        pytest.param(
            ("batch", "--device", "cuda:99"),
            "no cell of the plan has its device here: asked for cuda:99",
            marks=pytest.mark.slow,  # a process with torch looks for devices
        ),
        (("batch", "--colour", "red"), "No such option: --colour"),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    write_plan(0)
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "broken.yaml").write_text("a: [")
    (tmp_path / "wrong.yaml").write_text("model: blip2-tiny\nspeed: 3\n")

    status, output, errors = run("sweep", *arguments, "--out", "out")

    assert status == 2
    assert errors.startswith("layerprof: error: ")
    assert message in errors
    assert errors.count("\n") == 1
    assert output == ""
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_gets_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    status, _, errors = run("sweep", "batch", "--out", "file/out")

    assert status == 2
    assert "cannot write " in errors
    assert "file/out" in errors
    assert errors.count("\n") == 1


def test_a_report_of_a_sweep_makes_its_files_anew(run: Run) -> None:
    run("sweep", write_plan(0), "--executor", "inline", "--out", "out")
    before = Path("out/plan.md").read_text()
    Path("out/plan.md").unlink()

    status, output, _ = run("report", "out", "--format", "markdown")

    assert status == 0
    assert output == before == Path("out/plan.md").read_text()


def test_a_report_of_the_sweeps_file_is_that_of_its_folder(run: Run) -> None:
    run("sweep", write_plan(0), "--executor", "inline", "--out", "out")
    Path("out/plan.md").unlink()

    of_file, of_folder = run("report", "out/sweep.json"), run("report", "out")

    assert of_file == of_folder
    assert "done" in of_file[1]
    assert Path("out/plan.md").is_file()


def test_a_report_of_a_sweep_that_was_saved_as_a_file_shows_it_as_it_was(run: Run) -> None:
    run("sweep", write_plan(0), "--executor", "inline", "--out", "out")
    lp.save(lp.load("out"), "kept/sweep.json")

    status, output, errors = run("report", "kept/sweep.json")

    assert (status, errors) == (0, "")
    assert "done" in output
    assert [path.name for path in Path("kept").iterdir()] == ["sweep.json"]


@pytest.mark.parametrize("format_name", ["text", "markdown", "html", "csv"])
def test_a_report_goes_to_a_file_where_asked(run: Run, profile: lp.Profile, format_name: str) -> None:
    lp.save(profile, "out/profile.json")

    status, output, _ = run("report", "out/profile.json", "--format", format_name, "--out", "again.txt")

    assert (status, output) == (0, "")
    assert Path("again.txt").read_text() == lp.render(lp.load("out/profile.json"), format_name)  # type: ignore[arg-type]  # every format in turn, and a profile


def test_a_folder_with_a_profile_alone_reports_it(run: Run, profile: lp.Profile) -> None:
    lp.save(profile, "out/profile.json")

    status, output, _ = run("report", "out")

    assert status == 0
    assert "(unattributed)" in output


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "there is no file"), ('{"format": "layerp', "truncated"), ("{}", "not a layerprof record")],
)
def test_a_report_of_nothing_or_of_a_damaged_file_gets_one_line(run: Run, content: str | None, message: str) -> None:
    if content is not None:
        Path("record.json").write_text(content)

    status, _, errors = run("report", "record.json")

    assert status == 2
    assert message in errors
    assert errors.count("\n") == 1


def test_a_report_needs_no_torch(run: Run) -> None:
    run("sweep", write_plan(0), "--executor", "inline", "--out", "out")
    program = (
        "import sys; from layerprof.cli.main import main; main(['report', 'out']); assert 'torch' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


@pytest.mark.slow
def test_a_sweep_in_processes_says_nothing_but_its_table(run: Run) -> None:
    command = (sys.executable, "-m", "layerprof", "sweep", write_plan(0, 13), "--out", "out", "--no-progress")

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (1, "")
    assert statuses("out") == ["done", "failed"]


@pytest.mark.slow
def test_an_interrupt_of_the_command_leaves_no_cell_half_done(run: Run, tmp_path: Path) -> None:
    (tmp_path / "swept.py").write_text(
        "import pathlib, time\ndef seeded():\n    pathlib.Path('begun').touch()\n    time.sleep(600)\n"
    )
    command = (sys.executable, "-m", "layerprof", "sweep", write_plan(0, 1), "--out", "out")

    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        while not Path("begun").exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert errors.startswith("layerprof: interrupted: by Ctrl-C")
    assert statuses("out") == ["pending", "pending"]


@pytest.mark.slow
def test_sigterm_ends_the_command_as_ctrl_c_does(run: Run, tmp_path: Path) -> None:
    (tmp_path / "swept.py").write_text(
        "import pathlib, time\ndef seeded():\n    pathlib.Path('begun').touch()\n    time.sleep(600)\n"
    )
    command = (sys.executable, "-m", "layerprof", "sweep", write_plan(0, 1), "--out", "out", "--no-progress")

    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        while not Path("begun").exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 143
    assert errors.startswith("layerprof: interrupted: by SIGTERM; the same command goes on")


def test_a_log_gets_a_line_for_each_run(run: Run) -> None:
    _, _, errors = run("sweep", write_plan(0, 13), "--executor", "inline", "--out", "out")

    lines = errors.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("sweep plan: seed ") for line in lines)
    assert sum("[exception]" in line for line in lines) == 1


def test_a_worker_measures_what_a_sweep_left(run: Run) -> None:
    run("sweep", write_plan(0, 666, 1), "--executor", "inline", "--out", "out")
    Path("swept.py").write_text(Path("swept.py").read_text().replace("seed == 666", "False"))
    sys.modules.pop("swept", None)

    status, output, _ = run("worker", "out", "--executor", "inline")

    assert status == 0
    assert output == "out: 3 done; layerprof report out shows the table\n"


def test_a_worker_says_how_many_cells_it_leaves_and_why(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("sweep", write_plan(0, 666, 1), "--executor", "inline", "--out", "out")
    half = lp.load("out")
    left = statuses("out").count("pending")
    monkeypatch.setattr(sweeping, "work", lambda *arguments, **options: half)

    status, output, _ = run("worker", "out")

    assert status == 0
    assert left > 0
    assert f"{left} pending: no device for them here, or others are on them; layerprof report out" in output


def test_a_worker_without_a_sweep_gets_one_line(run: Run) -> None:
    status, _, errors = run("worker", "gone")

    assert status == 2
    assert errors.startswith("layerprof: error: there is no sweep.json in ")
    assert "gone;" in errors


def test_a_report_of_a_half_done_sweep_shows_what_is_there(run: Run) -> None:
    run("sweep", write_plan(0, 666, 1), "--executor", "inline", "--out", "out")

    status, output, _ = run("report", "out", "--format", "markdown")

    assert status == 0
    assert "pending" in output


@pytest.mark.slow
def test_a_sweep_of_blip2_over_two_axes_goes_on_where_it_was_killed(run: Run, tmp_path: Path) -> None:
    Path("two.yaml").write_text("model: blip2-tiny\naxes: {batch_size: [1, 2], dtype: [fp32, bf16]}\nname: two\n")
    command = (sys.executable, "-m", "layerprof", "sweep", "two.yaml", "--quick", "--out", "out", "--no-progress")
    cells = tmp_path / "out" / "cells"

    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        while not list(cells.glob("[!.]*")) and process.poll() is None:
            time.sleep(0.05)
        process.kill()
    stored = {path: path.stat().st_mtime_ns for path in cells.glob("[!.]*.json")}
    half = statuses("out")
    status, output, _ = run(*command[3:])

    assert status == 0
    assert "pending" in half
    assert stored
    assert {path: path.stat().st_mtime_ns for path in stored} == stored
    assert statuses("out") == ["done"] * 4
    assert output.count("done") >= 4
