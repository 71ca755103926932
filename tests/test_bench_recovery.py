"""The bench that finds planted joules again counts what came to nothing against an honest counter."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def recovery(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "bench"))
    return importlib.import_module("recovery")


def test_blocks_of_a_run_without_joules_are_not_covered(recovery: ModuleType) -> None:
    good = recovery.Recovered(path="a", error_rel=0.01, half_width_rel=0.02, is_covered=True)
    runs = [
        recovery.Run(layers=(good,), verdict="accepted", closure=1.01),
        recovery.Run(layers=(recovery.Recovered(path="a"),), reason="counter_frozen"),
    ]

    lines = {line.what.partition(": ")[2]: line for line in recovery._honest_lines("any", runs)}

    assert lines["coverage of the 95 % interval"].number == lines["of the worst layer"].number == "50.00 %"
    assert lines["bias"].number == "1.00 %"  # of those that there are
    assert lines["median half width"].number == "2.00 %"
    assert lines["rejected or restricted"].number == "50.00 %"
    assert lines["without joules (counter_frozen)"].verdict == "missed"


def test_a_preset_that_never_gives_joules_misses_every_goal(recovery: ModuleType) -> None:
    runs = [recovery.Run(layers=(recovery.Recovered(path="a"),), reason="counter_frozen")]

    verdicts = {line.verdict for line in recovery._honest_lines("any", runs) if line.goal}

    assert verdicts == {"missed"}


def test_a_run_that_is_refused_still_has_its_blocks(recovery: ModuleType) -> None:
    one = recovery.run(0, "frozen")

    assert one.reason == "counter_frozen"
    assert len(one.layers) == sum(kind.count for kind in recovery.KINDS)
    assert not any(layer.is_covered for layer in one.layers)


def test_a_block_without_joules_is_not_covered_and_no_failure(recovery: ModuleType) -> None:
    assert recovery._recovered("a", 1.0, None) == recovery.Recovered(path="a", is_covered=False)
