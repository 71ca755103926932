"""A cell from its runs: what several fresh processes measured, as one row.

    latency_s, energy_j and other quantities      the median of the runs
    their interval                                from how the runs differ, as `median_over_processes` tells
    peak_bytes                                    the most of any run
    numbers of steps                              the sum
    whole numbers that all runs agree on          as they are

What is merged was measured in one environment. Pure: records in, a record out.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from layerprof.estimates import do_processes_differ, median_over_processes
from layerprof.ledger.base import NOWHERE_ID
from layerprof.records import CellFailure, CellRecord, CellStatus, FrozenMapping, Note, RunSummary

Metric = float | int | None


_INTERVALS = {"latency_s": ("latency_low_s", "latency_high_s"), "energy_j": ("energy_low_j", "energy_high_j")}
_ENDS = {end for ends in _INTERVALS.values() for end in ends}
_LARGEST = {"peak_bytes"}
_SUMMED_ENDINGS = ("steps", "_n")  # how many there were of something


def merged(planned: CellRecord, runs: Sequence[RunSummary], *, rounds: int) -> CellRecord:
    """The cell with what its runs have brought so far.

    At most one run a repeat is used: a result before a failure, then the newest. Repeats beyond the plan's rounds are
    left out, so that all cells rest on as many runs. Whether the cell is done, all environments decide; its numbers are
    of one, that has the most results and among equals the newest, for those of two must not be mixed.

    Args:
        planned: the cell as planned; one that is to be skipped stays so.
        runs: of this cell, that count.
        rounds: runs that the plan asks for.
    """
    if planned.status == "skipped":
        return planned
    asked = [run for run in runs if run.repeat < rounds]
    used = _one_a_repeat(asked)
    results = [run for run in used if run.status == "done"]
    failed = [run for run in used if run.status == "failed"]
    status: CellStatus = "failed" if failed else "done" if len(results) == rounds else "pending"
    environments = _by_environment(run for run in asked if run.status == "done")
    done = environments[0] if environments else []
    shown = done or failed
    notes = (*planned.notes, *_notes_of((*done, *failed)), *_notes_on(done, planned, rounds=rounds))
    return replace(
        planned,
        status=status,
        metrics=FrozenMapping(_metrics(done)),
        notes=tuple(dict.fromkeys((*notes, *_mixture(environments)))),
        failure=_failure(failed, results, rounds=rounds),
        profile_path=_path_of_middle("profile_path", shown),
        evidence_path=_path_of_middle("evidence_path", shown),
        environment=_environment(shown),
        runs_done=len(results),
        runs_planned=rounds,
    )


def _by_environment(runs: Iterable[RunSummary]) -> list[list[RunSummary]]:
    """The runs of each environment, one a repeat; first that with the most, among equals the one with the newest."""
    found: dict[str, list[RunSummary]] = defaultdict(list)
    for run in runs:
        found[run.environment].append(run)
    grouped = [_one_a_repeat(of_one) for of_one in found.values()]
    return sorted(grouped, key=lambda of_one: (len(of_one), max(map(_when, of_one))), reverse=True)


def _environment(runs: Sequence[RunSummary]) -> str:
    """Where runs were measured, the newest of them; "" where they were nowhere."""
    found = max(runs, key=_when).environment if runs else ""
    return "" if found == NOWHERE_ID else found


def _when(run: RunSummary) -> float:
    return run.ended_at_s


def _one_a_repeat(runs: Iterable[RunSummary]) -> list[RunSummary]:
    """The run that counts of each repeat, by the repeat."""
    best: dict[int, RunSummary] = {}
    for run in runs:
        other = best.get(run.repeat)
        if other is None or _rank(run) > _rank(other):
            best[run.repeat] = run
    return [best[repeat] for repeat in sorted(best)]


def _rank(run: RunSummary) -> tuple[bool, float]:
    return run.status == "done", run.ended_at_s


def _metrics(runs: Sequence[RunSummary]) -> Mapping[str, Metric]:
    """Each metric over the runs that have it; an interval needs more than its ends."""
    if len(runs) == 1:
        return runs[0].metrics
    found: dict[str, Metric] = {}
    for name in dict.fromkeys(name for run in runs for name in run.metrics):
        if name not in _ENDS:
            found[name] = _over_runs(name, [value for run in runs if (value := run.metrics.get(name)) is not None])
        if name in _INTERVALS:
            found.update(_interval(name, runs))
    return found


def _over_runs(name: str, values: Sequence[float | int]) -> Metric:
    if not values:
        return None
    if name in _LARGEST:
        return max(values)
    if name.endswith(_SUMMED_ENDINGS):
        return sum(values)
    return values[0] if values.count(values[0]) == len(values) else statistics.median(values)


def _interval(name: str, runs: Sequence[RunSummary]) -> Mapping[str, Metric]:
    """The interval's two ends; what is measured here is never below 0, and so is no end."""
    medians, intervals = _medians_and_intervals(name, runs)
    found = median_over_processes(medians, intervals)[1] if medians else None
    low, high = _INTERVALS[name]
    return {low: None if found is None else max(0.0, found[0]), high: None if found is None else found[1]}


def _medians_and_intervals(
    name: str, runs: Iterable[RunSummary]
) -> tuple[list[float], list[tuple[float, float] | None]]:
    medians: list[float] = []
    intervals: list[tuple[float, float] | None] = []
    for run in runs:
        value, low, high = (run.metrics.get(one) for one in (name, *_INTERVALS[name]))
        if value is not None:
            medians.append(value)
            intervals.append(None if low is None or high is None else (low, high))
    return medians, intervals


def _failure(failed: Sequence[RunSummary], done: Sequence[RunSummary], *, rounds: int) -> CellFailure | None:
    """Of the first run that failed; of how many it is told where others have brought something."""
    if not failed:
        return None
    failure = failed[0].failure or CellFailure(kind="exception", text="no reason is stored")
    if not done:
        return failure
    return replace(failure, text=f"{len(failed)} of {rounds} runs: {failure.text}")


def _path_of_middle(name: Literal["profile_path", "evidence_path"], runs: Sequence[RunSummary]) -> str | None:
    """Of the run whose latency is in the middle, among those that have such a file."""
    by_latency = sorted(runs, key=lambda run: run.metrics.get("latency_s") or 0.0)
    paths: list[str] = [path for run in by_latency if (path := getattr(run, name)) is not None]
    return paths[(len(paths) - 1) // 2] if paths else None


def _notes_of(runs: Iterable[RunSummary]) -> Iterator[Note]:
    for run in runs:
        yield from run.notes


def _notes_on(done: Sequence[RunSummary], planned: CellRecord, *, rounds: int) -> Iterator[Note]:
    """What is to be known of numbers that rest on these runs."""
    if len(done) == 1:
        remedy = "plan three rounds" if rounds == 1 else "measure the others too"
        text = f"its interval is of one process, and knows nothing of how processes differ; {remedy} to know"
        yield Note(code="one_process", quantity="latency_s", scope="step", text=text)
    if do_processes_differ(*_medians_and_intervals("latency_s", done)):
        text = "processes differ clearly more than the steps of each; trust the interval, which is of all of them"
        yield Note(code="processes_differ", quantity="latency_s", scope="step", text=text)
    if len({run.metrics.get("wer") for run in done} - {None}) > 1:
        text = "the runs did not all give the same answers; the rate is their median, its interval that of one run"
        yield Note(code="answers_differ", quantity="wer", scope="step", text=text)
    if planned.source and any(run.source and run.source != planned.source for run in done):
        text = "measured with another version of the model's module; `--no-resume` measures it anew"
        yield Note(code="source_changed", quantity="", scope="", text=text)


def _mixture(environments: Sequence[Sequence[RunSummary]]) -> Iterator[Note]:
    """Which results the numbers leave out, where there are some of other environments."""
    if len(environments) > 1:
        taken, *others = (f"{len(runs)} in {runs[0].environment}" for runs in environments)
        text = (
            f"its numbers are of the runs of one environment ({taken}); those of others are left out "
            f"({', '.join(others)}); measure it in one to have them all"
        )
        yield Note(code="mixed_environments", quantity="", scope="", text=text)
