"""The knee of batch sizes: only where intervals allow it."""

from __future__ import annotations

import math
from dataclasses import replace

from reference_findings import (
    changed,
    findings_of,
    latency,
    size_of,
    steady,
)
from reference_sweeps import small_sweep

from layerprof.estimates import ratio_interval
from layerprof.units import percent


def test_the_knee_is_where_a_doubling_saves_less_than_the_rule() -> None:
    shared = steady(lambda size: 0.1 + 0.5 * size, width=0.002)
    each = {size: (0.1 + 0.5 * size) / size for size in (1, 4, 8, 16)}
    gains = {small: 1 - (each[large] / each[small]) ** (1 / math.log2(large / small))
             for small, large in ((1, 4), (4, 8), (8, 16))}  # fmt: skip
    knee = max((large for small, large in ((1, 4), (4, 8), (8, 16)) if gains[small] >= 0.05), default=1)

    (found,) = findings_of(shared, test="batch", kind="knee")

    assert f"the knee is at {knee}, no doubling after it pays" in found.text
    assert f"saves {percent(gains[knee], 1.0)} [" in found.text
    assert f"over batch {knee}, and 5 % counts" in found.text


def test_a_batch_that_still_pays_has_no_knee() -> None:
    shared = steady(lambda size: 5.0 + 0.01 * size)

    (found,) = findings_of(shared, test="batch", kind="knee")

    assert "no knee up to 16: batch 16 still saves" in found.text


def test_the_gain_of_a_doubling_has_the_interval_of_its_latencies() -> None:
    width = 0.02
    ends = ratio_interval((1.5, 1.5 * (1 - width), 1.5 * (1 + width)), (1.0, 1 - width, 1 + width))
    assert ends is not None
    shared = steady(lambda size: {8: 1.0, 16: 1.5}.get(size, 1.0), width=width)

    (found,) = findings_of(shared, test="batch", kind="knee")

    low, high = (1 - end / 2 for end in reversed(ends))
    assert f"saves 25.0 % [{percent(low, 1.0)}, {percent(high, 1.0)}] a sample over batch 8" in found.text


def test_a_last_doubling_that_may_pay_or_not_leaves_the_knee_open() -> None:
    shared = steady(lambda size: {1: 1.0, 4: 1.2, 8: 1.4, 16: 2.8 * 0.95}[size])

    (found,) = findings_of(shared, test="batch", kind="knee")

    assert "no verdict on a knee: batch 16 saves 5.0 % [" in found.text


def test_weak_cells_carry_no_knee() -> None:
    weak = changed(small_sweep(), lambda cell: latency(5.0 + 0.01 * size_of(cell)))
    weak = replace(weak, cells=tuple(replace(cell, runs_done=1) for cell in weak.cells))

    (found,) = findings_of(weak, test="batch", kind="knee")

    assert "no verdict on a knee (one process, unsteady): batch 16 saves" in found.text


def test_savings_are_counted_by_the_doubling() -> None:
    each = {1: 1.0, 4: 0.92, 8: 0.92, 16: 0.92}  # 8 % from 1 to 4, which are two doublings
    shared = steady(lambda size: each[size] * size, width=0.002)

    (found,) = findings_of(shared, test="batch", kind="knee")

    assert "the knee is at 1," in found.text
    assert "a sample and doubling over batch 1" in found.text


def test_a_doubling_that_costs_more_is_said_to_take_more() -> None:
    shared = steady(lambda size: {1: 1.0, 4: 2.0, 8: 3.0, 16: 6.6}[size])

    (found,) = findings_of(shared, test="batch", kind="knee")

    assert "batch 16 takes 10.0 % [" in found.text
    assert "more a sample than batch 8" in found.text


def test_two_processes_carry_no_knee_either() -> None:
    shared = steady(lambda size: 5.0 + 0.01 * size)
    weak = replace(shared, cells=tuple(replace(cell, runs_done=2) for cell in shared.cells))

    (found,) = findings_of(weak, test="batch", kind="knee")

    assert "no verdict on a knee (2 processes)" in found.text
