"""The memory recorder on a meter that is set by hand, and the log of storages against sums made the slow way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.modeling_outputs import BaseModelOutputWithPooling

from layerprof.instruments.memory import MemoryRecorder, StorageLog, tensor_bytes
from layerprof.instruments.memory.base import Account
from layerprof.testing import FakeMeter

X = torch.ones(2, 8)
SIZE = 64  # bytes of X


def begun(live_bytes: int = 0, log: StorageLog | None = None) -> tuple[FakeMeter, MemoryRecorder]:
    meter = FakeMeter(live_bytes)
    recorder = MemoryRecorder(meter, log)
    recorder.begin()
    return meter, recorder


def test_a_call_is_credited_with_what_it_allocated_and_needed() -> None:
    meter, recorder = begun(live_bytes=1000)

    recorder.entered()
    meter.allocate(30)
    meter.free(20)
    meter.allocate(5)
    recorder.left(0, X)
    result = recorder.result()

    assert (result.allocated_bytes, result.peak_bytes, result.output_bytes) == ({0: 35}, {0: 30}, {0: SIZE})
    assert result.step_peak_bytes == 30


def test_what_a_call_inside_allocated_is_not_the_callers_own() -> None:
    meter, recorder = begun()

    recorder.entered()
    meter.allocate(10)
    recorder.entered()
    meter.allocate(100)
    recorder.left(1, None)
    meter.allocate(1)
    recorder.left(0, None)

    assert recorder.result().allocated_bytes == {1: 100, 0: 11}


def test_the_callers_peak_is_as_high_as_that_of_the_call_inside() -> None:
    meter, recorder = begun()

    recorder.entered()
    meter.allocate(10)
    recorder.entered()
    meter.allocate(100)
    meter.free(100)
    recorder.left(1, None)
    recorder.left(0, None)
    result = recorder.result()

    assert result.peak_bytes == {1: 100, 0: 110}
    assert result.step_peak_bytes == 110


def test_a_peak_before_a_call_is_not_the_calls() -> None:
    meter, recorder = begun()

    recorder.entered()
    meter.allocate(500)
    meter.free(500)
    recorder.entered()
    meter.allocate(7)
    recorder.left(1, None)
    recorder.left(0, None)

    assert recorder.result().peak_bytes == {1: 7, 0: 500}


def test_a_peak_after_a_call_is_the_callers_alone() -> None:
    meter, recorder = begun()

    recorder.entered()
    recorder.entered()
    meter.allocate(7)
    recorder.left(1, None)
    meter.allocate(500)
    recorder.left(0, None)

    assert recorder.result().peak_bytes == {1: 7, 0: 507}


def test_three_levels_pass_the_peak_up() -> None:
    meter, recorder = begun(live_bytes=5)

    for _ in range(3):
        meter.allocate(10)
        recorder.entered()
    meter.allocate(100)
    meter.free(100)
    for place in (2, 1, 0):
        recorder.left(place, None)
    result = recorder.result()

    assert result.peak_bytes == {2: 100, 1: 110, 0: 120}
    assert result.step_peak_bytes == 130


def test_of_several_calls_the_highest_peak_stays_and_allocations_add_up() -> None:
    meter, recorder = begun()

    for size in (10, 30, 20):
        recorder.entered()
        meter.allocate(size)
        meter.free(size)
        recorder.left(0, X)
    result = recorder.result()

    assert (result.allocated_bytes, result.peak_bytes, result.output_bytes) == ({0: 60}, {0: 30}, {0: 3 * SIZE})


def test_a_call_that_only_frees_needs_nothing() -> None:
    meter, recorder = begun(live_bytes=100)

    recorder.entered()
    meter.free(60)
    meter.allocate(10)
    recorder.left(0, None)
    result = recorder.result()

    assert result.peak_bytes == {0: 0}
    assert result.step_peak_bytes == 0


def test_work_outside_of_calls_is_in_the_steps_peak() -> None:
    meter, recorder = begun()

    meter.allocate(40)
    recorder.entered()
    recorder.left(0, None)
    meter.allocate(2)

    assert recorder.result().step_peak_bytes == 42


def test_a_new_step_begins_from_what_is_alive_and_with_empty_books() -> None:
    meter, recorder = begun()
    recorder.entered()
    meter.allocate(1000)
    recorder.left(0, X)

    recorder.begin()
    meter.allocate(1)
    result = recorder.result()

    assert result.step_peak_bytes == 1
    assert (result.allocated_bytes, result.peak_bytes, result.output_bytes) == ({}, {}, {})


def test_a_peak_in_calls_that_never_ended_is_in_the_steps() -> None:
    meter, recorder = begun()

    recorder.entered()
    recorder.entered()
    meter.allocate(9)

    assert recorder.result().step_peak_bytes == 9


def test_what_an_allocator_adds_to_storages_is_the_calls_and_has_no_owner_at_the_peak() -> None:
    log = StorageLog()
    meter, recorder = begun(log=log)

    recorder.entered()
    log.born(0, 100)
    meter.allocate(512)  # the storage's block, rounded up
    meter.allocate(1024)  # a workspace
    meter.free(1024)
    recorder.left(0, None)
    result = recorder.result()

    assert result.allocated_bytes == {0: 512 + 1024}
    assert (result.at_peak_bytes, result.unowned_bytes) == ({0: 100}, 512 + 1024 - 100)


def test_storages_made_while_no_call_is_open_belong_to_their_place() -> None:
    log = StorageLog()
    meter, recorder = begun(log=log)

    for place, size in ((3, 10), (-1, 20), (-2, 30)):
        log.born(place, size)
        meter.allocate(size)
    result = recorder.result()

    assert (result.allocated_bytes, result.at_peak_bytes) == ({3: 10}, {3: 10})
    assert result.unattributed_allocated_bytes == result.unattributed_at_peak_bytes == {0: 20, 1: 30}
    assert (result.step_peak_bytes, result.unowned_bytes) == (60, 0)


def test_storages_of_another_allocator_leave_nothing_unowned() -> None:
    log = StorageLog()
    meter, recorder = begun(log=log)

    recorder.entered()
    log.born(0, 100)
    meter.allocate(60)
    recorder.left(0, None)
    result = recorder.result()

    assert (result.allocated_bytes, result.step_peak_bytes, result.unowned_bytes) == ({0: 100}, 60, 0)


def test_columns_for_a_call_graph_are_those_by_place() -> None:
    _, recorder = begun()

    recorder.entered()
    recorder.left(0, X)
    result = recorder.result()

    assert result.by_place() == {
        "allocated_bytes": result.allocated_bytes,
        "output_bytes": {0: SIZE},
        "peak_bytes": {0: 0},
        "at_peak_bytes": {},
    }


def test_an_empty_log_has_no_owners() -> None:
    log = StorageLog()

    assert (log.alive_at_peak(), log.allocated_by_place()) == ({}, {})


def test_of_two_peaks_as_high_the_first_one_counts() -> None:
    log = StorageLog()

    first = log.born(0, 10)
    log.died(first)
    log.born(1, 10)

    assert log.alive_at_peak() == {0: 10}


def test_growth_belongs_to_the_place_that_grew_and_is_given_back_first() -> None:
    log = StorageLog()

    account = log.born(0, 10)
    log.resized(account, 1, 30)
    grown = log.alive_at_peak()
    log.resized(account, 2, 5)
    shrunk = log.read().live_bytes
    log.died(account)

    assert grown == {0: 10, 1: 20}
    assert (shrunk, log.read().live_bytes) == (5, 0)
    assert log.allocated_by_place() == {0: 10, 1: 20}


def test_a_storage_from_before_costs_only_what_it_grew_beyond_its_size() -> None:
    log = StorageLog()
    account = log.known(100)

    log.resized(account, 0, 0)
    log.resized(account, 1, 100)
    back = log.read().live_bytes
    log.resized(account, 2, 130)
    grown = log.read().live_bytes
    log.died(account)

    assert (back, grown, log.read().live_bytes) == (0, 30, 0)
    assert log.allocated_by_place() == {2: 30}


def test_a_storage_of_an_earlier_step_is_from_before() -> None:
    log = StorageLog()
    died, grew = log.born(0, 10), log.born(0, 20)

    log.begin()
    log.died(died)
    log.resized(grew, 1, 25)
    log.born(2, 1)

    assert log.alive_at_peak() == {1: 5, 2: 1}
    assert log.read().live_bytes == 6


@given(st.lists(st.tuples(st.integers(-2, 3), st.integers(0, 5), st.integers(0, 40)), max_size=40))
def test_owners_sum_to_the_highest_that_a_reader_at_every_change_saw(changes: list[tuple[int, int, int]]) -> None:
    log, highest = StorageLog(), 0
    accounts: dict[int, Account] = {}
    owners: dict[int, int] = {}

    for place, key, size in changes:
        if key not in accounts:
            accounts[key] = log.born(place, size)
        elif size == 0:
            log.died(accounts.pop(key))
        else:
            log.resized(accounts[key], place, size)
        alive = sum(account.size_bytes for account in accounts.values())
        if alive > highest:
            highest, owners = alive, owned(share for account in accounts.values() for share in account.shares)

    assert log.read().peak_bytes == highest
    assert log.alive_at_peak() == owners


def owned(shares: Iterable[tuple[int, int]]) -> dict[int, int]:
    sums: dict[int, int] = {}
    for place, size in shares:
        sums[place] = sums.get(place, 0) + size
    return {place: size for place, size in sums.items() if size}


@dataclass
class Output:
    """Any output that is a dataclass."""

    hidden: torch.Tensor
    extra: object


def test_bytes_of_an_output_are_those_of_its_distinct_tensors() -> None:
    y = torch.ones(3)
    nested = {"a": (X, [y, X]), "b": Output(hidden=y, extra={"deep": torch.ones(1)})}

    assert tensor_bytes(nested) == SIZE + 12 + 4


def test_outputs_of_transformers_are_looked_into() -> None:
    output = BaseModelOutputWithPooling(last_hidden_state=X, pooler_output=torch.ones(1), hidden_states=(X, X + 1))

    assert tensor_bytes(output) == 2 * SIZE + 4


@pytest.mark.parametrize("output", [None, "text", 3, []])
def test_an_output_without_tensors_has_no_bytes(output: object) -> None:
    assert tensor_bytes(output) == 0
