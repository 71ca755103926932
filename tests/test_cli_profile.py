"""``layerprof profile`` from end to end: what it prints, what it leaves, and what bad input gets."""

from __future__ import annotations

import dataclasses
import io
import os
import textwrap
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import torch
from report_records import profile_of, two_blocks
from report_roofs import blocks_under_roof

import layerprof as lp
from layerprof import models
from layerprof.cli.main import main
from layerprof.models import Blip2Adapter

TINY = ("blip2-tiny", "--text-tokens", "9", "--warmup", "1", "--repeats", "2")
TIMELINE = "profile.timeline.npz"
FILES = {"profile.json", TIMELINE, "profile.md", "profile.html", "profile.csv"}
ROOFLINE = "roofline.png"  # where the machine has ceilings

MODULE = """
    import torch
    from torch import nn


    class Net(nn.Module):
        def __init__(self, error=None, calls=0):
            super().__init__()
            self.fc = nn.Linear(4, 4)
            self.error = error
            self.calls_left = calls

        def forward(self, x):
            self.calls_left -= 1
            if self.error is not None and self.calls_left < 0:
                raise self.error
            return self.fc(x)


    def good():
        return Net(), torch.ones(3, 4)


    def unfit():
        return Net(), torch.ones(3, 5)


    def alone():
        return Net()


    def failing():
        return Net(ValueError("no\\nluck")), torch.ones(3, 4)


    def failing_late():
        return Net(ValueError("no luck"), calls=5), torch.ones(3, 4)


    def interrupted():
        return Net(KeyboardInterrupt(), calls=5), torch.ones(3, 4)


    def interrupted_early():
        return Net(KeyboardInterrupt()), torch.ones(3, 4)
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _no_ceilings(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine whose ceilings are not known, so that none is measured and no roofline is drawn."""
    monkeypatch.setattr("layerprof.machine.ceilings_of", lambda *_, **__: None)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``layerprof profile`` in a folder with a module of models; gives exit status, output and errors."""
    (tmp_path / "profiled_models.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        status = main(["profile", *arguments])
        output, errors = capsys.readouterr()
        return status, output, errors

    return command


def assert_one_line(errors: str) -> None:
    assert errors.startswith("layerprof: error: ")
    assert errors.endswith("\n")
    assert errors.count("\n") == 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What a run of a preset left, with the ceilings of this machine."""

    status: int
    output: str
    errors: str
    folder: Path


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Preset:
    folder = tmp_path_factory.mktemp("preset") / "new/folder"
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        status = main(["profile", *TINY, "--batch-size", "2", "--dtype", "bf16", "--out", str(folder)])
    return Preset(status=status, output=output.getvalue(), errors=errors.getvalue(), folder=folder)


def test_a_preset_is_shown_and_saved(preset: Preset) -> None:
    assert (preset.status, preset.errors) == (0, "")
    assert {path.name for path in preset.folder.iterdir()} - {ROOFLINE} == FILES
    for expected in ("Summary", "Stages", "vision.patch_embedding", "language_model", "(unattributed)", "Saved in"):
        assert expected in preset.output


def test_the_saved_profile_is_whole_and_says_what_was_asked(preset: Preset) -> None:
    record = lp.load(preset.folder / "profile.json")

    assert isinstance(record, lp.Profile)
    assert all(check.ok for check in record.checks)
    assert record.spec.parts[0].dtype == "bfloat16"
    assert (record.spec.labels["batch_size"], record.spec.labels["task"]) == ("2", "sample")
    assert dict(record.spec.inputs)["pixel_values"] == "bfloat16[2, 3, 224, 224]"


def test_a_generation_makes_as_many_tokens_as_asked(run: Run) -> None:
    run(*TINY, "--method", "generate", "--max-new-tokens", "3", "--passes", "time", "--out", "out")

    record = lp.load("out/profile.json")

    assert isinstance(record, lp.Profile)
    assert record["language_model.lm_head"].calls == 3
    assert record.spec.method == "generate"
    assert record.spec.labels["max_new_tokens"] == "3"


def test_a_model_of_ones_own_is_named_by_a_callable(run: Run) -> None:
    status, output, errors = run("profiled_models:good", "--repeats", "6", "--out", "out")

    record = lp.load("out/profile.json")
    assert (status, errors) == (0, "")
    assert "Net" in output
    assert isinstance(record, lp.Profile)
    assert record["fc"].flops == 2 * 3 * 4 * 4


def test_without_out_nothing_is_written(run: Run, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())

    run("profiled_models:good", "--repeats", "2")

    assert {path for path in tmp_path.iterdir() if path.name != "__pycache__"} == before


def test_a_pass_that_was_not_asked_for_is_missing(run: Run) -> None:
    run("profiled_models:good", "--repeats", "2", "--passes", "time, flops", "--out", "out")

    record = lp.load("out/profile.json")

    assert isinstance(record, lp.Profile)
    assert record.memory is None
    assert record.root.flops is not None


def test_depth_limits_the_printed_tree(run: Run) -> None:
    _, output, _ = run("profiled_models:good", "--repeats", "2", "--depth", "0")

    assert "layers below depth 0 are hidden" in output


def test_a_bar_is_drawn_on_standard_error_where_asked(run: Run) -> None:
    _, output, errors = run("profiled_models:good", "--repeats", "2", "--progress")

    assert "profiling" not in output
    assert "layerprof: error" not in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("blip2-tny",), "no model 'blip2-tny'; the presets are blip2-tiny"),
        (("no_such_module:build",), "no module 'no_such_module'"),
        (("profiled_models:missing",), "module 'profiled_models' has no 'missing'"),
        (("profiled_models:alone",), "returned a model alone; let it return (model, inputs)"),
        (("profiled_models:failing",), "Net raised ValueError in the time pass: no"),
        (("profiled_models:unfit",), "Net raised RuntimeError in the time pass: mat1 and mat2 shapes"),
        (("profiled_models:good", "--batch-size", "2"), "batch_size does not apply to profiled_models:good"),
        (("profiled_models:good", "--method", "nothing"), "Net has no method 'nothing'"),
        (("blip2-tiny", "--batch-size", "0"), "batch_size is a whole number from 1 up; found 0"),
        (("blip2-tiny", "--batch-size", "100000"), "100000 samples of easy-VQA were asked for and there are"),
        (("blip2-tiny", "--batch-size", "two"), "Invalid value for '--batch-size'"),
        (("blip2-tiny", "--repeats", "0"), "repeats is a whole number from 1 up"),
        (("blip2-tiny", "--text-tokens", "2"), "2 text tokens do not hold the prompt's head and cue"),
        (("blip2-tiny", "--image-size", "5"), "image_size 5 is less than one patch"),
        (("blip2-tiny", "--dtype", "int3"), "no dtype 'int3'"),
        (("blip2-tiny", "--device", "abacus"), "no device 'abacus'"),
        (("blip2-tiny", "--task", "imagenet"), "no dataset 'imagenet'; there are sample, TextVQA"),
        (("blip2-tiny", "--weights", "nowhere"), "weights='nowhere' is no folder"),
        (("blip2-tiny", "--passes", "speed"), "passes is a tuple of names out of bare, time"),
        (("blip2-tiny", "--max-new-tokens", "3"), "--max-new-tokens goes with --method generate"),
        (("blip2-tiny", "--method", "generate", "--max-new-tokens", "0"), "a whole number from 1 up; found 0"),
        (("blip2-tiny", "--colour", "red"), "No such option: --colour"),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    status, output, errors = run(*arguments, "--out", "out")

    assert status == 2
    assert message in errors
    assert_one_line(errors)
    assert output == ""
    assert not (tmp_path / "out").exists()


def test_a_place_below_a_file_is_refused_before_the_model_is_built(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    status, _, errors = run("profiled_models:failing", "--out", "file/out")

    assert status == 2
    assert "cannot write to file/out" in errors  # and no word of the model, which would have failed
    assert_one_line(errors)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_in_a_files_place_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out" / "profile.md").mkdir(parents=True)

    status, _, errors = run("profiled_models:failing", "--out", "out")

    assert status == 2
    assert "out/profile.md is a folder" in errors
    assert_one_line(errors)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_of_somebody_elses_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)

    status, _, errors = run("profiled_models:failing", "--out", "locked/out")

    assert status == 2
    assert "not yours to write" in errors


def test_too_little_memory_is_found_out_before_the_model_is_built(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Blip2Adapter(available_bytes=lambda device: 2**30)
    monkeypatch.setattr(models, "_BY_NAME", {"blip2-opt-2.7b": small})

    status, _, errors = run("blip2-opt-2.7b", "--dtype", "bf16", "--out", "out")

    assert status == 2
    assert "blip2-opt-2.7b needs" in errors
    assert "1.00 GiB are free" in errors
    assert_one_line(errors)
    assert not (tmp_path / "out").exists()


def test_an_error_keeps_what_was_measured_beside_an_earlier_profile(run: Run, tmp_path: Path) -> None:
    run("profiled_models:good", "--repeats", "2", "--out", "out")
    before = (tmp_path / "out/profile.json").read_bytes()

    status, _, errors = run("profiled_models:failing_late", "--warmup", "1", "--repeats", "6", "--out", "out")

    assert status == 2
    assert "what was measured is in out/profile.partial.json" in errors
    assert_one_line(errors)
    assert (tmp_path / "out/profile.json").read_bytes() == before
    assert isinstance(lp.load("out/profile.partial.json"), lp.Profile)


def test_ctrl_c_keeps_and_shows_what_was_measured(run: Run) -> None:
    status, output, errors = run("profiled_models:interrupted", "--warmup", "1", "--repeats", "6", "--out", "out")

    record = lp.load("out/profile.partial.json")
    assert status == 130
    assert errors == "layerprof: interrupted: by Ctrl-C; what was measured is in out/profile.partial.json\n"
    assert "(unattributed)" in output
    assert isinstance(record, lp.Profile)
    assert record.latency_s is not None
    assert record.spec.labels["source"] == "profiled_models:interrupted"


def test_ctrl_c_before_anything_was_measured_leaves_nothing(run: Run, tmp_path: Path) -> None:
    status, output, _ = run("profiled_models:interrupted_early", "--out", "out")

    assert status == 130
    assert output == ""
    assert not (tmp_path / "out").exists()


def test_a_whole_profile_takes_the_place_of_a_partial_one(run: Run, tmp_path: Path) -> None:
    run("profiled_models:interrupted", "--warmup", "1", "--repeats", "6", "--out", "out")

    run("profiled_models:good", "--repeats", "2", "--out", "out")

    assert {path.name for path in (tmp_path / "out").iterdir()} - {ROOFLINE} == FILES


def test_a_traceback_is_shown_only_where_asked(run: Run) -> None:
    _, _, without = run("profiled_models:failing")
    _, _, errors = run("profiled_models:failing", "--traceback")

    assert "Traceback" not in without
    assert "ValueError: no" in errors
    assert errors.splitlines()[-1].startswith("layerprof: error: Net raised ValueError")


def test_a_check_that_fails_is_exit_status_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(model: torch.nn.Module, *arguments: object, **options: object) -> lp.Profile:
        return dataclasses.replace(profile_of(two_blocks()), checks=(failed,))

    failed = lp.Check(name="flops_books", ok=False, detail="1 is not 2")
    monkeypatch.setattr("layerprof.profiling.profile", broken)

    status, output, errors = run("profiled_models:good", "--out", "out")

    assert status == 1
    assert "FAILED" in output
    assert errors == "layerprof: check failed: flops_books: 1 is not 2\n"


def measuring(record: lp.Profile) -> Callable[..., lp.Profile]:
    """What stands in for the measurement and always gives this record."""

    def measure(model: torch.nn.Module, *arguments: object, **options: object) -> lp.Profile:
        return record

    return measure


def test_the_roofline_is_drawn_and_named_where_there_is_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerprof.profiling.profile", measuring(blocks_under_roof()))

    status, output, _ = run("profiled_models:good", "--out", "out")

    assert status == 0
    assert (tmp_path / "out" / ROOFLINE).read_bytes().startswith(b"\x89PNG")
    assert ROOFLINE in output.splitlines()[-1]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted((FILES - {TIMELINE}) | {ROOFLINE})


def test_a_profile_without_a_roofline_removes_an_earlier_ones_and_names_none(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerprof.profiling.profile", measuring(blocks_under_roof()))
    run("profiled_models:good", "--out", "out")
    monkeypatch.setattr("layerprof.profiling.profile", measuring(profile_of(two_blocks())))

    status, output, _ = run("profiled_models:good", "--out", "out")

    assert status == 0
    assert not (tmp_path / "out" / ROOFLINE).exists()
    assert ROOFLINE not in output


def test_a_folder_in_the_rooflines_place_is_refused_before_the_model_is_built(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out" / ROOFLINE).mkdir(parents=True)

    status, _, errors = run("profiled_models:failing", "--out", "out")

    assert status == 2
    assert "out/roofline.png is a folder" in errors
    assert_one_line(errors)
