"""A sweep's analysis: steps by stage, what is read and how often, and what it says of damaged or missing files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from reference_profiles import LAWS, UNATTRIBUTED_S, reference_profile, self_flops_of, stage_s_of, step_s_of
from reference_sweeps import cell_of, reference_sweep, small_sweep, work_of
from report_records import HOSTILE, batch_sweep

from layerprof import store
from layerprof.analysis import analysed
from layerprof.errors import InputError
from layerprof.records import (
    AnalysisRecord,
    Breakdown,
    CellFailure,
    CellRecord,
    Distribution,
    FrozenMapping,
    Profile,
    SweepRecord,
)
from layerprof.store import read_record, write_record


def analysis_of(record: SweepRecord, *, against: str | None = None) -> AnalysisRecord:
    analysis = analysed(record, against=against).analysis
    assert analysis is not None
    return analysis


def breakdown_of(analysis: AnalysisRecord, cell: CellRecord) -> Breakdown:
    (found,) = [each for each in analysis.breakdowns if each.cell == cell.id]
    return found


def test_stages_and_the_unattributed_rest_add_up_to_the_step(tmp_path: Path) -> None:
    record = reference_sweep(tmp_path)
    cell = cell_of(record, "batch", batch_size=4)

    found = breakdown_of(analysis_of(record), cell)

    times = [stage.self_s for stage in found.stages]
    assert found.step_s == pytest.approx(step_s_of(work_of(cell.axes)))
    assert sum(seconds for seconds in times if seconds is not None) == pytest.approx(found.step_s)
    assert None not in times


def test_a_stage_has_the_time_and_the_flops_of_its_layers(tmp_path: Path) -> None:
    record = reference_sweep(tmp_path)
    cell = cell_of(record, "batch", batch_size=16)
    work = work_of(cell.axes)

    (stage,) = [each for each in breakdown_of(analysis_of(record), cell).stages if each.stage == "vision.blocks"]

    assert stage.self_s == pytest.approx(stage_s_of("vision.blocks", work))
    assert stage.flops == sum(self_flops_of(law, work) for law in LAWS if law.stage == "vision.blocks")
    assert stage.layers == sum(law.stage == "vision.blocks" for law in LAWS)


def test_the_rest_under_no_layer_stands_last(tmp_path: Path) -> None:
    record = reference_sweep(tmp_path)

    rest = analysis_of(record).breakdowns[0].stages[-1]

    assert rest.stage == "(unattributed)"
    assert rest.self_s == pytest.approx(UNATTRIBUTED_S)


def test_stages_inside_compiled_code_have_no_time(tmp_path: Path) -> None:
    record = reference_sweep(tmp_path)
    cell = cell_of(record, "optimization", optimization="compile")

    found = breakdown_of(analysis_of(record), cell)

    assert {stage.stage: stage.self_s for stage in found.stages}["vision.blocks"] is None
    assert found.step_s == pytest.approx(step_s_of(work_of(cell.axes)))


def test_breakdowns_are_of_the_middle_half_of_the_steps(tmp_path: Path) -> None:
    cell = cell_of(small_sweep(), "batch", batch_size=1)
    profile = reference_profile(work_of(cell.axes))
    slow = Distribution(samples=(1.0, 1.0, 1.0, 9.0))
    write_record(replace(profile, step_s=slow, unattributed_s=slow), tmp_path / "p.json")
    record = replace(small_sweep(), cells=(replace(cell, profile_path="p.json", folder=str(tmp_path)),))

    found = analysis_of(record).breakdowns[0]

    assert found.step_s == 1.0
    assert found.stages[-1].self_s == 1.0


def test_each_profile_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = reference_sweep(tmp_path)
    reads: list[str] = []

    def counting(path: str | Path) -> Profile:
        reads.append(str(path))
        profile = read_record(path)
        assert isinstance(profile, Profile)
        return profile

    monkeypatch.setattr(store, "load_profile", counting)

    analysed(record, against="reference")

    assert sorted(reads) == sorted({str(tmp_path / cell.profile_path) for cell in record.cells if cell.profile_path})


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": "layerprof", "schema": 6, "record": {}}'])
def test_a_profile_that_cannot_be_read_gives_no_breakdown(tmp_path: Path, content: bytes) -> None:
    record = reference_sweep(tmp_path)
    damaged = cell_of(record, "batch", batch_size=4)
    (tmp_path / str(damaged.profile_path)).write_bytes(content)

    found = [each.cell for each in analysis_of(record).breakdowns]

    assert damaged.id not in found
    assert len(found) == sum(cell.status == "done" for cell in record.cells) - 1


def test_missing_files_take_nothing_but_what_they_held(tmp_path: Path) -> None:
    record = reference_sweep(tmp_path)
    lost = tuple(replace(cell, folder=str(tmp_path / "gone")) for cell in record.cells)

    found = analysis_of(replace(record, cells=lost))

    assert found.breakdowns == ()
    assert any(each.kind == "growth" for each in found.findings)


def test_a_plan_without_tests_is_one_test_of_its_name() -> None:
    found = analysis_of(batch_sweep(model="blip2-tiny"))

    assert {each.test for each in found.findings} == {"batch"}
    assert any(each.kind == "growth" and "batch_size 1 to 4" in each.text for each in found.findings)


def test_an_empty_sweep_says_nothing() -> None:
    record = small_sweep()

    found = analysis_of(replace(record, cells=()), against=None)

    assert found == AnalysisRecord()


def test_unknown_figures_are_named_with_those_there_are() -> None:
    with pytest.raises(InputError, match="no published figures 'theirs'; there are reference"):
        analysed(small_sweep(), against="theirs")


def test_the_analysed_sweep_can_be_stored(tmp_path: Path) -> None:
    record = analysed(reference_sweep(tmp_path), against="reference")

    write_record(record, tmp_path / "sweep.json")

    assert read_record(tmp_path / "sweep.json") == record


def test_what_others_wrote_is_kept_as_it_is_for_the_renderers_to_escape() -> None:
    record = small_sweep()
    failure = CellFailure(kind="exception", text=HOSTILE)
    cells = tuple(
        replace(
            cell,
            axes=FrozenMapping({**cell.axes, "source": HOSTILE}),
            failure=None if cell.failure is None else failure,
        )
        for cell in record.cells
    )

    found = analysis_of(replace(record, cells=cells), against="reference")

    assert any(HOSTILE in each.text for each in found.findings)
    assert any(HOSTILE in each.remark for each in found.comparisons)


def test_kernels_are_told_where_they_were_timed(tmp_path: Path) -> None:
    cell = cell_of(small_sweep(), "batch", batch_size=1)
    profile = reference_profile(work_of(cell.axes))
    times = Distribution(samples=(0.5, 0.5, 0.5, 0.5, 0.5, 0.5))
    stages = tuple(replace(stage, device_self_s=times) for stage in profile.stages)
    layers = tuple(replace(layer, device_self_s=times, device_total_s=times) for layer in profile.layers)
    on_a_device = replace(profile, stages=stages, layers=layers, device_total_s=times, unattributed_device_s=times)
    write_record(on_a_device, tmp_path / "p.json")
    other = replace(cell, id="other", axes=FrozenMapping({**cell.axes, "batch_size": 2}))
    cells = tuple(replace(each, profile_path="p.json", folder=str(tmp_path)) for each in (cell, other))
    plan = replace(small_sweep().plan, tests=(), axes=(("batch_size", (1, 2)),))

    found = analysis_of(replace(small_sweep(), plan=plan, cells=cells))

    share = 1 / (len(stages) + 1)  # the stages and what is under none, each as long
    assert found.breakdowns[0].stages[0].device_s == 0.5
    assert any(each.kind == "dominant" and f"{share:.1%}".replace("%", " %") in each.text for each in found.findings)
