"""The power of the traces: from a counter's moves alone, and never longer than the block it was asked for."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from op_columns import OpColumns

from layerprof.energy import DeviceState, SourceError, SourceFacts
from layerprof.measure.sampling import PowerSampler, power_between

S = 1_000_000_000
FACTS = SourceFacts(name="counter", domain="gpu_board", device="a board", identity="the same")


@dataclass
class ListedSource:
    """Gives the joules that it was told to, one a reading; at their end it calls back and stands still."""

    joules: list[float]
    at_end: Callable[[], None] = lambda: None
    facts: SourceFacts = FACTS
    reads: int = 0

    def read_j(self) -> float:
        self.reads += 1
        if self.reads == len(self.joules):
            self.at_end()
        return self.joules[min(self.reads, len(self.joules)) - 1]

    def state(self) -> DeviceState:
        return DeviceState()

    def close(self) -> None:
        pass


@dataclass
class GoneSource(ListedSource):
    """Fails."""

    error: Exception = field(default_factory=lambda: SourceError("counter_frozen", "it is gone"))

    def read_j(self) -> float:
        self.at_end()
        raise self.error


def test_power_is_that_between_two_moves_of_the_counter() -> None:
    # it moves by 30 J in the three seconds between its moves at 2 s and 5 s, and by 20 J in the second after that
    readings = [(0, 5.0), (1 * S, 5.0), (2 * S, 9.0), (3 * S, 9.0), (5 * S, 39.0), (6 * S, 59.0)]

    assert power_between(readings) == [(2 * S, 10.0), (5 * S, 20.0), (6 * S, 20.0)]


@pytest.mark.parametrize("joules", [[], [1.0], [1.0, 1.0, 1.0], [1.0, 2.0, 2.0]])
def test_a_counter_that_moved_once_at_most_tells_no_power(joules: list[float]) -> None:
    assert power_between([(second * S, joule) for second, joule in enumerate(joules)]) == []


def test_a_counter_that_begins_anew_has_no_power_around_its_fall() -> None:
    readings = [(0, 90.0), (1 * S, 95.0), (2 * S, 100.0), (3 * S, 2.0), (4 * S, 6.0)]

    assert power_between(readings) == [(1 * S, 5.0), (3 * S, 4.0), (4 * S, 4.0)]


def test_the_counter_is_read_while_the_block_runs_and_not_afterwards() -> None:
    is_read = threading.Event()
    source = ListedSource([0.0, 1.0, 2.0, 3.0], at_end=is_read.set)

    with PowerSampler(source, period_s=0.0).running():
        assert is_read.wait(10.0)
    reads = source.reads

    assert source.reads == reads
    assert not [thread for thread in threading.enumerate() if thread.name == "layerprof power"]


def test_a_block_that_raises_ends_the_reading() -> None:
    with pytest.raises(KeyError), PowerSampler(ListedSource([0.0])).running():
        raise KeyError

    assert not [thread for thread in threading.enumerate() if thread.name == "layerprof power"]


@pytest.mark.parametrize("error", [SourceError("counter_frozen", "it is gone"), OSError("no device")], ids=repr)
def test_a_source_that_does_not_answer_ends_the_reading(error: Exception) -> None:
    is_read = threading.Event()
    sampler = PowerSampler(GoneSource([], at_end=is_read.set, error=error), period_s=0.0)

    with sampler.running():
        assert is_read.wait(10.0)

    assert sampler.added_to(OpColumns().events()).samples.time_ns.size == 0


def test_the_events_get_the_power_from_the_one_in_force_at_the_first_step() -> None:
    seconds = itertools.count(0, S)
    sampler = PowerSampler(ListedSource([0.0, 1.0, 3.0, 6.0, 10.0]), now_ns=lambda: next(seconds))
    for _ in range(5):
        sampler.read()
    # it moves at every second from 1 s on: 2 W from 1 s, 3 W from 2 s, 4 W from 3 s; the step begins in the second one
    events = OpColumns(steps=((2 * S + S // 2, 9 * S),)).events()

    with_power = sampler.added_to(events)

    names = {with_power.strings[place] for place in with_power.samples.name.tolist()}
    assert names == {"power of the gpu_board (W), counter, measured"}
    assert with_power.samples.time_ns.tolist() == [2 * S, 3 * S, 4 * S]
    assert with_power.samples.value.tolist() == pytest.approx([3.0, 4.0, 4.0])
