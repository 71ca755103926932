"""Places under the roofline, on rows and ceilings whose numbers are chosen."""

from __future__ import annotations

from dataclasses import replace

import pytest

import layerprof as lp
from layerprof.attribute import RawTrace
from layerprof.attribute.base import LeastTime
from layerprof.attribute.kernelformats import notes_on_formats
from layerprof.attribute.roofline import Roof, roof_of
from layerprof.records import (
    Ceilings,
    Environment,
    FrozenMapping,
    KernelProfile,
    LayerProfile,
    OpProfile,
    ProfileSpec,
    Quantities,
)

RATE, BANDWIDTH, LAUNCH_S = 1e12, 1e11, 1e-6
ROOF = Roof(
    matrix_flops_per_s={"float32": RATE, "bfloat16": 2 * RATE},
    copy_bytes_per_s=BANDWIDTH,
    launch_s=LAUNCH_S,
    is_on_host=True,
)
QUANTITIES = ("flops_per_s", "bytes_per_s", "intensity", "least_s", "bound", "efficiency")


def seconds(value: float) -> lp.Distribution:
    return lp.Distribution(samples=(value,))


def row(*, flops: int = 0, moved_bytes: int, launches: int = 1, taken_s: float = 1.0, **more: object) -> Quantities:
    by_dtype = FrozenMapping({"float32": flops} if flops else {})
    made = Quantities(
        calls=1,
        flops=flops,
        flops_by_dtype=by_dtype,
        bytes_moved=moved_bytes,
        launches=launches,
        total_s=seconds(taken_s),
    )
    return replace(made, **more)  # type: ignore[arg-type]  # by field name


LEAST = LeastTime(compute_s=0.3, memory_s=0.1)


def test_rates_are_work_over_the_time_taken() -> None:
    placed = ROOF.placed(row(flops=8 * 10**9, moved_bytes=2 * 10**9, taken_s=0.5), LEAST)

    assert (placed.flops_per_s, placed.bytes_per_s, placed.intensity) == (16e9, 4e9, 4.0)


def test_the_efficiency_is_the_least_time_over_the_time_taken() -> None:
    placed = ROOF.placed(row(flops=8, moved_bytes=2, taken_s=0.5), LEAST)

    assert placed.least_s == LEAST.total_s == pytest.approx(0.4)
    assert placed.efficiency == pytest.approx(0.4 / 0.5)


@pytest.mark.parametrize(
    ("least", "launches", "bound"),
    [
        (LeastTime(compute_s=0.3, memory_s=0.1), 1, "compute"),
        (LeastTime(compute_s=0.1, memory_s=0.3), 1, "memory"),
        (LeastTime(compute_s=0.0, memory_s=0.3), 1, "memory"),
        (LeastTime(compute_s=3e-6, memory_s=1e-6), 5, "launch"),
        (LeastTime(compute_s=3e-6, memory_s=1e-6), 3, "compute"),
    ],
)
def test_the_bound_is_what_most_of_the_least_time_is(least: LeastTime, launches: int, bound: str) -> None:
    assert ROOF.placed(row(flops=1, moved_bytes=1, launches=launches), least).bound == bound


def test_a_layer_without_flops_has_a_rate_of_none_of_them() -> None:
    placed = ROOF.placed(row(moved_bytes=10**10), LEAST)

    assert (placed.flops_per_s, placed.intensity) == (0.0, 0.0)


def test_above_its_roof_a_row_has_rates_and_no_verdict() -> None:
    placed = ROOF.placed(row(flops=1, moved_bytes=1, taken_s=0.2), LEAST)

    assert placed.flops_per_s == 5.0
    assert (placed.bound, placed.efficiency) == ("unknown", None)


def test_at_its_roof_a_row_is_whole() -> None:
    assert ROOF.placed(row(flops=1, moved_bytes=1, taken_s=LEAST.total_s), LEAST).efficiency == 1.0


def test_without_a_ceiling_that_it_needs_the_verdict_is_open() -> None:
    placed = ROOF.placed(row(flops=10**9, moved_bytes=8), None)

    assert (placed.bound, placed.efficiency, placed.least_s, placed.flops_per_s) == ("unknown", None, None, 1e9)


def test_a_row_that_moved_nothing_has_no_place() -> None:
    placed = ROOF.placed(row(moved_bytes=0), LEAST)

    assert [getattr(placed, name) for name in QUANTITIES] == [
        "unknown" if name == "bound" else None for name in QUANTITIES
    ]


def test_on_a_device_the_time_is_what_the_device_was_busy() -> None:
    roof = replace(ROOF, is_on_host=False)
    recorded = row(flops=10**9, moved_bytes=10**6, taken_s=9.0, device_busy_s=seconds(2.0), device_total_s=seconds(3.0))

    def rate(measured: Quantities) -> float | None:
        return roof.placed(measured, LEAST).flops_per_s

    assert rate(recorded) == 10**9 / 2.0
    assert rate(replace(recorded, device_busy_s=None)) == 10**9 / 3.0
    assert rate(replace(recorded, device_busy_s=None, device_total_s=None)) is None


def test_only_the_steps_count_that_count_in_the_tables() -> None:
    times = lp.Distribution(samples=(1.0, 2.0, 100.0))

    placed = replace(ROOF, steps=(0, 1)).placed(row(flops=3, moved_bytes=1, total_s=times), LEAST)

    assert placed.flops_per_s == 3 / 1.5


def layer_with(kernel_name: str, dtype: str) -> LayerProfile:
    kernel = KernelProfile(name=kernel_name, kind="kernel", calls=1, device_s=seconds(1e-3))
    op = OpProfile(
        name="aten::mm",
        shapes=((2, 2), (2, 2)),
        calls=1,
        self_s=None,
        device_s=None,
        flops=16,
        dtype=dtype,
        kernels=(kernel,),
    )
    return LayerProfile(path="fc", type_name="Linear", kind="linear", depth=1, stage="other", ops=(op,))


@pytest.mark.parametrize(
    ("kernel", "dtype", "is_noted"),
    [
        ("sm80_xmma_gemm_f32f32_tf32f32_f32_tn_n", "float32", True),
        ("sm80_xmma_gemm_f32f32_tf32f32_f32_tn_n", "tf32", False),
        ("ampere_sgemm_128x64_tn", "tf32", True),
        ("ampere_sgemm_128x64_tn", "float32", False),
        ("nvjet_hsh_128x64", "float16", False),
    ],
)
def test_kernels_that_ran_in_another_format_than_was_counted_are_told(kernel: str, dtype: str, is_noted: bool) -> None:
    codes = [note.code for note in notes_on_formats([layer_with(kernel, dtype)])]

    assert codes == (["kernels_in_other_format"] if is_noted else [])


def test_what_was_measured_goes_before_what_the_vendor_states() -> None:
    measured = Ceilings(
        kind="measured",
        device="cpu",
        source="chosen",
        matrix_flops_per_s=FrozenMapping({"float32": 1.0}),
        copy_bytes_per_s=2.0,
    )
    rates = FrozenMapping({"float32": 6.0, "tf32": 3.0})
    stated = replace(measured, kind="vendor", matrix_flops_per_s=rates, copy_bytes_per_s=4.0, launch_s=5.0)
    raw = RawTrace(
        spec=ProfileSpec(model="net", model_type="Net", passes=()),
        environment=Environment(
            layerprof="1",
            python="3",
            torch=None,
            transformers=None,
            platform="any",
            cpu="a processor",
            cores=1,
            threads=None,
            memory_bytes=None,
            device="cpu",
        ),
        layers=(),
        phases=(),
        ceilings=measured,
        peaks=stated,
    )

    roof = roof_of(raw, None)

    assert roof.matrix_flops_per_s == {"float32": 1.0, "tf32": 3.0}
    assert (roof.copy_bytes_per_s, roof.launch_s, roof.is_on_host) == (2.0, 5.0, True)
