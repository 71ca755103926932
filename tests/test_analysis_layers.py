"""What is said of layers: what each takes, what grows otherwise than its work, and each once."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from reference_findings import (
    findings_of,
    on_a_device,
    one_that,
)
from reference_profiles import (
    LAWS,
    SPREAD,
    UNATTRIBUTED_S,
    Work,
    part_s_of,
    reference_profile,
    self_s_of,
    stage_s_of,
    step_s_of,
)
from reference_sweeps import LATENCY_WIDTH, cell_of, reference_sweep, small_sweep, work_of

from layerprof import stats
from layerprof.estimates import ratio_interval
from layerprof.records import (
    SweepRecord,
)
from layerprof.store import write_record
from layerprof.units import percent, significant, with_unit


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> SweepRecord:
    return reference_sweep(tmp_path_factory.mktemp("sweep"))


def test_each_convolution_is_told_at_each_batch_size(record: SweepRecord) -> None:
    (law,) = [each for each in LAWS if each.kind == "conv"]

    (found,) = findings_of(record, test="batch", kind="convolution")

    assert found.text.startswith(f"{law.path} (Conv2d)")
    for size in (1, 4, 8, 16):
        work = Work(batch_size=size)
        share = percent(self_s_of(law, work), step_s_of(work))
        assert f"{with_unit(self_s_of(law, work), 's')} ({share}" in found.text
    step = with_unit(step_s_of(Work(batch_size=1)), "s")
    assert f"of the instrumented step, {step}; {step} without instruments) at batch_size 1," in found.text
    assert found.text.count("instrumented") == 1


def test_convolutions_without_layers_are_told_together() -> None:
    (found,) = findings_of(small_sweep(), test="batch", kind="convolution")

    assert found.text.startswith("the convolutions together take")
    assert found.text.endswith("; unsteady.")


def test_shares_of_a_device_are_of_what_its_kernels_take(tmp_path: Path) -> None:
    record = on_a_device(reference_sweep(tmp_path))
    (law,) = [each for each in LAWS if each.kind == "conv"]
    work = Work(batch_size=1)

    (found,) = findings_of(record, test="batch", kind="convolution")

    part, whole = self_s_of(law, work) / 2, (step_s_of(work) - UNATTRIBUTED_S) / 2
    assert f"({percent(part, whole)} of the kernels' time, {with_unit(whole, 's')})" in found.text
    assert "instrument" not in found.text


def test_a_stage_that_grows_less_than_its_flops_is_named(record: SweepRecord) -> None:
    times = stage_s_of("qformer", Work(batch_size=16)) / stage_s_of("qformer", Work(batch_size=1))

    found = one_that(findings_of(record, test="batch", kind="layer_growth"), "qformer")

    assert f"qformer × {significant(times)} [" in found.text
    assert found.text.endswith("its FLOPs × 16.0: grows slower than its FLOPs.")


def test_a_stage_is_as_uncertain_as_its_steps_and_the_latency(record: SweepRecord) -> None:
    times = stage_s_of("qformer", Work(batch_size=16)) / stage_s_of("qformer", Work(batch_size=1))
    ends = stats.median_interval(SPREAD)
    assert ends is not None
    half = math.hypot((ends[1] - ends[0]) / 2, LATENCY_WIDTH)
    each = (1.0, 1.0 - half, 1.0 + half)
    low, high = ratio_interval(each, each) or (0.0, 0.0)

    found = one_that(findings_of(record, test="batch", kind="layer_growth"), "qformer")

    assert f"[{significant(times * low)}, {significant(times * high)}]" in found.text


def test_what_takes_most_of_compiled_code_is_a_part(tmp_path: Path) -> None:
    compiled = reference_sweep(tmp_path)
    for size in (1, 4, 8, 16):
        cell = cell_of(compiled, "batch", batch_size=size)
        profile = reference_profile(Work(batch_size=size, optimization="compile"))
        stages = tuple(
            replace(stage, self_s=profile.root.self_s) if stage.name == "other" else stage for stage in profile.stages
        )
        write_record(replace(profile, stages=stages), tmp_path / str(cell.profile_path))

    found = findings_of(compiled, test="batch", kind="dominant")

    (only,) = found
    assert only.scope in ("vision_model", "language_model")


def test_a_larger_true_picture_grows_the_vision_tower_alone(record: SweepRecord) -> None:
    growth = findings_of(record, test="image_size", kind="growth")
    layers = findings_of(record, test="image_size", kind="layer_growth")

    assert "vision tokens 257, 577, 1,025" in one_that(growth, "COCO", "latency").text
    assert "grows faster than its FLOPs" in one_that(layers, "image_size 224 to 448, COCO: vision.blocks").text
    rest = one_that(layers, "COCO", "no stage differs from its FLOPs beyond its interval")
    assert "language.blocks" in rest.text


def test_an_optimisation_is_told_against_the_baseline_by_stage(record: SweepRecord) -> None:
    works = [work_of(cell_of(record, "optimization", optimization=name).axes) for name in ("sdpa", "eager")]
    times = step_s_of(works[1]) / step_s_of(works[0])
    stage = stage_s_of("vision.blocks", works[1]) / stage_s_of("vision.blocks", works[0])

    found = findings_of(record, test="optimization", kind="optimization")

    assert f"latency × {significant(times)} [" in one_that(found, "eager against sdpa: latency", "slower").text
    assert f"× {significant(stage)} [" in one_that(found, "eager against sdpa: vision.blocks", "hurt").text


def test_compiled_code_is_told_by_its_parts(record: SweepRecord) -> None:
    works = [work_of(cell_of(record, "optimization", optimization=name).axes) for name in ("sdpa", "compile")]
    times = part_s_of("vision_model", works[1]) / part_s_of("vision_model", works[0])

    found = findings_of(record, test="optimization", kind="optimization")

    part = one_that(found, "compile against sdpa: vision_model", "helped")
    assert f"× {significant(times)} [" in part.text
    assert "generate ran no compiled graph" in one_that(found, "compile_whole against sdpa: latency").text
