"""A cell from its runs: which runs are used, what becomes of each metric, and what the reader is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from ledger_runs import ELSEWHERE, HERE, NOTE, cell_id, key, planned, summary

from layerprof.estimates import median_over_processes
from layerprof.ledger import NOWHERE_ID, merged
from layerprof.records import CellFailure, CellRecord, RunSummary

Metrics = Mapping[str, float | int | None]


def runs(*metrics: Metrics) -> list[RunSummary]:
    return [summary(key(repeat=repeat), metrics=one) for repeat, one in enumerate(metrics)]


def steady(latency_s: float, *, half_s: float = 0.01) -> Metrics:
    return {"latency_s": latency_s, "latency_low_s": latency_s - half_s, "latency_high_s": latency_s + half_s}


def cell_of(*metrics: Metrics) -> CellRecord:
    return merged(planned(), runs(*metrics), rounds=len(metrics))


def codes(cell: CellRecord) -> list[str]:
    return [note.code for note in cell.notes]


def test_of_one_run_the_cell_has_the_metrics_as_they_are() -> None:
    metrics = {**steady(1.0), "steps": 7, "flops": 10}

    assert cell_of(metrics).metrics == metrics


def test_a_quantity_is_the_median_of_the_runs() -> None:
    cell = cell_of({"latency_s": 3.0, "flops": 10}, {"latency_s": 1.0, "flops": 10}, {"latency_s": 2.0, "flops": 10})

    assert cell.metrics["latency_s"] == 2.0


def test_a_whole_number_that_all_agree_on_stays_whole() -> None:
    flops = cell_of({"flops": 10}, {"flops": 10}).metrics["flops"]

    assert flops == 10
    assert isinstance(flops, int)


def test_the_peak_is_the_largest_and_steps_add_up() -> None:
    cell = cell_of({"peak_bytes": 5, "steps": 6, "warmup_steps": 1}, {"peak_bytes": 9, "steps": 7, "warmup_steps": 2})

    assert dict(cell.metrics) == {"peak_bytes": 9, "steps": 13, "warmup_steps": 3}


@pytest.mark.parametrize("name", ["latency_s", "energy_j"])
def test_an_interval_is_of_all_processes(name: str) -> None:
    low, high = {"latency_s": ("latency_low_s", "latency_high_s"), "energy_j": ("energy_low_j", "energy_high_j")}[name]
    values = (1.0, 1.1, 1.3)

    cell = cell_of(*({name: value, low: value - 0.1, high: value + 0.1} for value in values))

    expected = median_over_processes(values, [(value - 0.1, value + 0.1) for value in values])[1]
    assert (cell.metrics[low], cell.metrics[high]) == expected
    assert list(cell.metrics) == [name, low, high]


def test_an_end_of_an_interval_is_never_below_zero() -> None:
    cell = cell_of(steady(1.0), steady(2.0))

    assert cell.metrics["latency_low_s"] == 0.0


def test_a_metric_is_of_the_runs_that_have_it_and_missing_where_none_has() -> None:
    cell = cell_of({"latency_s": 1.0, "energy_j": None}, {"latency_s": None, "energy_j": None})

    assert cell.metrics["latency_s"] == 1.0
    assert cell.metrics["energy_j"] is None
    assert cell.metrics["energy_low_j"] is None


def test_a_cell_is_pending_until_all_its_runs_are_there_and_shows_what_they_bring() -> None:
    cell = merged(planned(), runs(steady(1.0), steady(2.0)), rounds=3)

    assert (cell.status, cell.runs_done, cell.runs_planned) == ("pending", 2, 3)
    assert cell.metrics["latency_s"] == 1.5


def test_a_cell_with_all_its_runs_is_done() -> None:
    cell = cell_of(steady(1.0), steady(1.0), steady(1.0))

    assert (cell.status, cell.runs_done, cell.environment) == ("done", 3, HERE)


def test_a_cell_without_runs_is_as_planned() -> None:
    cell = merged(planned(), [], rounds=3)

    assert cell == replace(planned(), runs_planned=3)


def test_a_failed_run_fails_the_cell_and_tells_how_many_did() -> None:
    failed = [summary(key(repeat=repeat), failed="crash") for repeat in (1, 2)]

    cell = merged(planned(), [*runs(steady(1.0)), *failed], rounds=3)

    assert (cell.status, cell.runs_done) == ("failed", 1)
    assert cell.failure == CellFailure(kind="crash", text="2 of 3 runs: it failed by crash")
    assert cell.metrics["latency_s"] == 1.0


def test_where_all_runs_failed_the_reason_stands_alone() -> None:
    cell = merged(planned(), [summary(failed="oom_host")], rounds=1)

    assert cell.failure == CellFailure(kind="oom_host", text="it failed by oom_host")


def test_a_cell_that_is_to_be_skipped_stays_so() -> None:
    skipped = replace(planned(), status="skipped", failure=CellFailure(kind="excluded", text="left out"))

    assert merged(skipped, runs(steady(1.0)), rounds=1) == skipped


def test_of_each_repeat_one_run_counts_a_result_before_a_failure_and_then_the_newest() -> None:
    older = summary(metrics={"latency_s": 1.0}, ended_at_s=1.0)
    newer = summary(key(environment=ELSEWHERE), metrics={"latency_s": 2.0}, ended_at_s=2.0)
    failed = summary(failed="crash", ended_at_s=3.0)

    cell = merged(planned(), [newer, failed, older], rounds=1)

    assert (cell.status, cell.metrics["latency_s"]) == ("done", 2.0)


def test_repeats_beyond_the_plans_rounds_are_left_out() -> None:
    assert merged(planned(), runs(steady(1.0), steady(9.0)), rounds=1).metrics["latency_s"] == 1.0


def test_a_note_that_several_runs_have_is_there_once() -> None:
    noted = [replace(one, notes=(NOTE,)) for one in runs(steady(1.0), steady(1.0))]

    assert merged(planned(), noted, rounds=2).notes == (NOTE,)


def test_numbers_of_a_single_process_are_said_to_know_nothing_of_others_whatever_becomes_of_the_cell() -> None:
    failed = summary(key(repeat=1), failed="crash")

    assert codes(cell_of(steady(1.0))) == ["one_process"]
    assert codes(merged(planned(), runs(steady(1.0)), rounds=2)) == ["one_process"]
    assert codes(merged(planned(), [*runs(steady(1.0)), failed], rounds=2)) == ["one_process"]
    assert codes(merged(planned(), [failed], rounds=2)) == []
    assert codes(merged(planned(), runs(steady(1.0), steady(1.0)), rounds=3)) == []


def test_processes_that_differ_more_than_their_steps_are_pointed_out() -> None:
    assert codes(cell_of(steady(1.0), steady(1.2), steady(1.4))) == ["processes_differ"]


def test_processes_that_differ_by_what_nobody_would_mind_are_not() -> None:
    assert codes(cell_of(steady(1.0, half_s=1e-6), steady(1.01, half_s=1e-6))) == []


def test_processes_that_differ_by_what_their_steps_allow_are_not() -> None:
    assert codes(cell_of(steady(1.0, half_s=0.2), steady(1.2, half_s=0.2))) == []


def elsewhere(*metrics: Metrics, first: int, ended_at_s: float = 100.0) -> list[RunSummary]:
    return [
        summary(key(repeat=repeat, environment=ELSEWHERE), metrics=one, ended_at_s=ended_at_s)
        for repeat, one in enumerate(metrics, start=first)
    ]


def test_numbers_of_two_environments_are_never_mixed() -> None:
    one = replace(elsewhere(steady(9.0), first=2)[0], profile_path="profiles/elsewhere.json", notes=(NOTE,))

    cell = merged(planned(), [*runs(steady(1.0), steady(1.0)), one], rounds=3)

    assert (cell.status, cell.runs_done, cell.environment) == ("done", 3, HERE)
    assert cell.metrics == cell_of(steady(1.0), steady(1.0)).metrics
    assert cell.profile_path is None
    assert codes(cell) == ["mixed_environments"]
    assert f"(2 in {HERE}); those of others are left out (1 in {ELSEWHERE})" in cell.notes[0].text


def test_of_two_environments_with_as_many_results_the_newest_is_taken() -> None:
    cell = merged(planned(), [*runs(steady(1.0)), *elsewhere(steady(9.0), first=1, ended_at_s=200.0)], rounds=2)

    assert (cell.status, cell.environment, cell.metrics["latency_s"]) == ("done", ELSEWHERE, 9.0)
    assert codes(cell) == ["one_process", "mixed_environments"]


def test_a_newer_result_of_another_environment_takes_none_from_the_one_that_has_all() -> None:
    newer = elsewhere(steady(9.0), first=0, ended_at_s=200.0)

    cell = merged(planned(), [*runs(steady(1.0), steady(2.0)), *newer], rounds=2)

    assert (cell.environment, cell.metrics["latency_s"]) == (HERE, 1.5)


def test_a_run_that_no_device_could_take_was_measured_nowhere() -> None:
    nowhere = summary(key(environment=NOWHERE_ID), failed="unavailable")

    cell = merged(planned(), [nowhere], rounds=1)

    assert (cell.status, cell.environment) == ("failed", "")


@pytest.mark.parametrize(
    ("of_plan", "of_run", "expected"),
    [("new", "old", ["source_changed"]), ("new", "new", []), ("", "old", []), ("new", "", [])],
)
def test_what_was_measured_with_another_version_of_the_users_module_says_so(
    of_plan: str, of_run: str, expected: list[str]
) -> None:
    first, second = runs(steady(1.0), steady(1.0))
    found = [replace(first, source=of_run), replace(second, source=of_plan)]

    cell = merged(replace(planned(), source=of_plan), found, rounds=2)

    assert codes(cell) == expected
    assert cell.source == of_plan
    assert all("`--no-resume` measures it anew" in note.text for note in cell.notes)


def test_the_profile_is_of_the_run_in_the_middle() -> None:
    found = [
        replace(one, profile_path=f"profiles/{one.repeat}.json") for one in runs(steady(3.0), steady(1.0), steady(2.0))
    ]

    assert merged(planned(), found, rounds=3).profile_path == "profiles/2.json"


def test_a_failed_cell_has_the_profile_that_its_run_left() -> None:
    left = replace(summary(failed="nan"), profile_path="profiles/a.json")

    assert merged(planned(), [left], rounds=1).profile_path == "profiles/a.json"


def test_a_cell_keeps_its_id_and_axes() -> None:
    cell = cell_of(steady(1.0))

    assert (cell.id, cell.axes) == (cell_id(1), planned().axes)
