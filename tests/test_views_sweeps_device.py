"""The tables of devices: absent ones, and how much faster than the processor one is in the same format."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from reference_sweeps import cell_of, small_sweep
from sweep_rows import changed, row_of, table_of, value_of

from layerprof.records import (
    FrozenMapping,
    SweepRecord,
)
from layerprof.views import Amount


def test_a_device_that_is_not_there_is_a_row_with_its_kind_and_a_reason_below() -> None:
    table = table_of(small_sweep(), "Device, as published")

    row = row_of(table, "cuda, fp16")

    assert row.role == "problem"
    assert row.cells[1:] == ("unavailable", "unavailable", "unavailable")
    assert any(
        line.startswith("cuda, fp16; cuda, fp32: failed (unavailable): there is no CUDA") for line in table.footnotes
    )


def test_the_models_own_format_is_named_where_it_is_known() -> None:
    record = small_sweep()
    unknown = replace(record, plan=replace(record.plan, model="mine:model"))

    assert row_of(table_of(record, "Device, as published"), "cpu, own (bf16)")
    assert row_of(table_of(unknown, "Device, as published"), "cpu, own")


def on_a_device(record: SweepRecord) -> SweepRecord:
    """As if there were a device four times as fast in fp32, measured half as well."""
    processor = cell_of(record, "device", device="cpu", dtype="fp32")
    device = cell_of(record, "device", device="cuda", dtype="fp32")
    latency_s = (processor.metrics["latency_s"] or 0.0) / 4
    metrics: FrozenMapping[float | int | None] = FrozenMapping(
        {"latency_s": latency_s, "latency_low_s": 0.96 * latency_s, "latency_high_s": 1.04 * latency_s, "flops": 8}
    )
    return changed(record, device, status="done", failure=None, metrics=metrics)


def test_a_device_is_compared_with_the_processor_in_the_same_format() -> None:
    table = table_of(on_a_device(small_sweep()), "Device, in full")

    speed = value_of(table, row_of(table, "cuda", "fp32"), "speed over CPU")

    assert isinstance(speed, Amount)
    assert speed.value == pytest.approx(4.0)
    assert speed.low == pytest.approx(4.0 * math.exp(-math.hypot(math.log(1 / 0.98), math.log(1.04))))
    assert speed.high == pytest.approx(4.0 * math.exp(math.hypot(math.log(1.02), math.log(1 / 0.96))))


def test_a_processor_beside_itself_is_one_and_has_no_interval() -> None:
    table = table_of(small_sweep(), "Device, in full")

    assert value_of(table, row_of(table, "cpu", "fp32"), "speed over CPU") == Amount(value=1.0)


def test_a_device_in_another_format_than_the_processors_has_no_speed() -> None:
    record = on_a_device(small_sweep())
    other = cell_of(record, "device", device="cuda", dtype="fp16")
    known = cell_of(record, "device", device="cuda", dtype="fp32")

    table = table_of(changed(record, other, status="done", failure=None, metrics=known.metrics), "Device, in full")

    assert value_of(table, row_of(table, "cuda", "fp16"), "speed over CPU") is None


def test_flops_a_second_are_as_uncertain_as_the_latency() -> None:
    record = small_sweep()
    metrics = cell_of(record, "device", device="cpu", dtype="fp32").metrics
    table = table_of(record, "Device, in full")

    rate = value_of(table, row_of(table, "cpu", "fp32"), "FLOP/s")

    flops, low_s, high_s = (metrics[name] or 0.0 for name in ("flops", "latency_low_s", "latency_high_s"))
    assert rate == Amount(value=flops / (metrics["latency_s"] or 1.0), low=flops / high_s, high=flops / low_s)
