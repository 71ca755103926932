"""A sweep's folder as a whole: begun, joined, and read with what its runs have brought, in whatever state it is."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_runs import (
    BEFORE,
    ELSEWHERE,
    FACTS_ELSEWHERE,
    FACTS_HERE,
    HERE,
    NOW,
    cell_id,
    files_in,
    key,
    outcome,
    planned,
    run,
    summary,
    sweep,
)
from store_records import cell, cut, full_profile
from store_records import sweep as older_sweep

import layerprof as lp
from layerprof.ledger import (
    NOWHERE_ID,
    SWEEP_FILE,
    Layout,
    begin,
    counts,
    folders,
    join,
    keep,
    load_sweep,
    read_plan,
    require_startable,
    scan,
)
from layerprof.ledger.folders import planfile
from layerprof.records import CellFailure, CellRecord, FrozenMapping, RunSummary, SweepRecord
from layerprof.store import write_record, write_text


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "sweep")


def statuses(record: SweepRecord) -> list[str]:
    return [one.status for one in record.cells]


def codes(of: SweepRecord | CellRecord) -> list[str]:
    return [note.code for note in of.notes]


def test_a_sweep_that_has_begun_is_all_pending(layout: Layout) -> None:
    record = sweep([planned(1), planned(2)])

    begin(layout, record)

    assert load_sweep(layout.folder) == record
    assert files_in(layout) == {SWEEP_FILE}


def test_a_folder_has_what_its_runs_have_brought_so_far(layout: Layout) -> None:
    begin(layout, sweep([planned(1), planned(2), planned(3)], rounds=2))
    for one in (key(1, 0), key(1, 1), key(2, 0)):
        keep(layout, outcome(summary(one)), key=one)
    keep(layout, outcome(summary(key(3), failed="crash")), key=key(3))

    record = lp.load(layout.folder)

    assert isinstance(record, SweepRecord)
    assert [(one.status, one.runs_done) for one in record.cells] == [("done", 2), ("pending", 1), ("failed", 0)]


def test_a_skipped_cell_stays_so(layout: Layout) -> None:
    skipped = replace(planned(), status="skipped", failure=CellFailure(kind="excluded", text="left out"))
    begin(layout, sweep([skipped]))

    assert load_sweep(layout.folder).cells == (skipped,)


def test_a_cells_profile_is_read_from_the_folder_wherever_it_was_moved(layout: Layout) -> None:
    begin(layout, sweep([planned()]))
    keep(layout, replace(outcome(), profile=full_profile()), key=key())

    moved = layout.folder.rename(layout.folder.with_name("moved"))

    assert load_sweep(moved).cells[0].profile == full_profile()


def test_looking_changes_nothing(layout: Layout) -> None:
    begin(layout, sweep([planned()]))
    write_text(layout.run(key()), "damaged")
    before = files_in(layout)

    load_sweep(layout.folder)

    assert files_in(layout) == before


def test_a_damaged_run_is_a_note_and_its_cell_is_pending(layout: Layout) -> None:
    begin(layout, sweep([planned()]))
    keep(layout, outcome(), key=key())
    cut(layout.run(key()), 0.5)

    record = load_sweep(layout.folder)

    assert statuses(record) == ["pending"]
    (note,) = record.notes
    assert (note.code, note.scope) == ("damaged", layout.run(key()).name)
    assert "truncated" in note.text


def test_what_was_measured_in_another_environment_does_not_count_and_the_cell_says_why(layout: Layout) -> None:
    elsewhere = key(environment=ELSEWHERE)
    begin(layout, sweep([planned()]))
    keep(layout, outcome(summary(elsewhere, session=BEFORE), facts=FACTS_ELSEWHERE), key=elsewhere)

    (found,) = load_sweep(layout.folder).cells

    assert (found.status, found.runs_done, codes(found)) == ("pending", 0, ["other_environment"])
    assert "torch 2.12.0, now 2.13.0" in found.notes[0].text


def test_a_failure_elsewhere_is_not_worth_a_word(layout: Layout) -> None:
    elsewhere = key(environment=ELSEWHERE)
    begin(layout, sweep([planned()]))
    keep(layout, outcome(summary(elsewhere, session=BEFORE, failed="unavailable")), key=elsewhere)

    (found,) = load_sweep(layout.folder).cells

    assert (found.status, codes(found)) == ("pending", [])


@pytest.mark.parametrize("environment", [HERE, NOWHERE_ID])
def test_what_failed_in_an_earlier_session_is_pending_and_says_how(layout: Layout, environment: str) -> None:
    failed = key(repeat=1, environment=environment)
    begin(layout, sweep([planned()], rounds=2))
    keep(layout, outcome(summary(session=BEFORE)), key=key())
    keep(layout, outcome(summary(failed, session=BEFORE, failed="oom_host")), key=failed)

    (found,) = load_sweep(layout.folder).cells

    assert (found.status, found.runs_done, found.failure) == ("pending", 1, None)
    assert codes(found) == ["one_process", "failed_before"]
    assert found.notes[1].text.endswith("is tried again: oom_host, it failed by oom_host")


def test_what_failed_before_and_was_measured_since_is_not_worth_a_word(layout: Layout) -> None:
    begin(layout, sweep([planned()], rounds=2))
    nowhere = key(environment=NOWHERE_ID)
    keep(layout, outcome(summary(nowhere, session=BEFORE, failed="unavailable")), key=nowhere)
    keep(layout, outcome(), key=key())

    (found,) = load_sweep(layout.folder).cells

    assert (found.status, codes(found)) == ("pending", ["one_process"])


def test_what_failed_in_this_session_has_failed(layout: Layout) -> None:
    begin(layout, sweep([planned()]))
    keep(layout, outcome(summary(failed="oom_host")), key=key())

    (found,) = load_sweep(layout.folder).cells

    assert (found.status, codes(found)) == ("failed", [])


NOW_HERE, BEFORE_HERE = summary(), summary(session=BEFORE)
NOW_THERE, BEFORE_THERE = (summary(key(environment=ELSEWHERE), session=session) for session in (NOW, BEFORE))


@pytest.mark.parametrize(
    ("run", "sessions", "expected"),
    [
        (NOW_HERE, (), True),
        (NOW_THERE, (), True),
        (BEFORE_HERE, (), True),
        (BEFORE_THERE, (), False),
        (NOW_HERE, (NOW,), True),
        (BEFORE_HERE, (NOW,), False),
        (BEFORE_HERE, (BEFORE, NOW), True),
        (BEFORE_THERE, (BEFORE, NOW), False),
        (summary(failed="crash"), (), True),
        (summary(key(environment=ELSEWHERE), failed="crash"), (NOW,), True),
        (summary(session=BEFORE, failed="crash"), (), False),
        (summary(session=BEFORE, failed="crash"), (BEFORE, NOW), False),
    ],
)
def test_a_run_counts_by_its_session_its_environment_and_its_end(
    run: RunSummary, sessions: tuple[str, ...], *, expected: bool
) -> None:
    assert counts(run, replace(sweep([planned()]), sessions=sessions)) == expected


def test_a_sweep_begun_anew_shows_nothing_of_before(layout: Layout) -> None:
    begin(layout, sweep([planned(1), planned(2)], session=BEFORE))
    keep(layout, outcome(summary(session=BEFORE)), key=key())
    keep(layout, outcome(summary(key(2), session=BEFORE, failed="crash")), key=key(2))

    begin(layout, replace(sweep([planned(1), planned(2)]), sessions=(NOW,)))

    record = load_sweep(layout.folder)
    assert statuses(record) == ["pending", "pending"]
    assert [codes(one) for one in record.cells] == [[], []]


def test_a_sweep_that_was_begun_anew_goes_on_with_what_came_since(layout: Layout) -> None:
    begin(layout, sweep([planned(1), planned(2)], session="long ago"))
    for number in (1, 2):
        keep(layout, outcome(summary(key(number), session="long ago")), key=key(number))
    begin(layout, replace(sweep([planned(1), planned(2)], session=BEFORE), sessions=(BEFORE,)))
    keep(layout, outcome(summary(session=BEFORE)), key=key())

    for _ in range(2):
        begin(layout, sweep([planned(1), planned(2)]))

    assert read_plan(layout).sessions == (BEFORE, NOW)
    assert statuses(load_sweep(layout.folder)) == ["done", "pending"]


FACTS = {"layerprof": "1.0", "torch": "2.13.0+cpu", "transformers": "4.5", "python": "3.11", "cpu": "a processor"}
GPU = {"torch": "2.13.0+cu126", "cpu": "another", "device": "cuda", "driver": "550"}


def facts(changes: dict[str, str]) -> FrozenMapping[str]:
    return FrozenMapping({**FACTS, **changes})


@pytest.mark.parametrize(
    ("changes", "is_kept"),
    [
        (GPU, True),
        ({**GPU, "python": "3.12"}, True),
        ({**GPU, "torch": "2.12.0+cu126"}, False),
        ({**GPU, "layerprof": "0.9"}, False),
        ({**GPU, "transformers": "none"}, False),
        ({"torch": "2.13.0+cu126"}, False),  # of the same place, where it has been replaced
        ({"python": "3.12"}, False),
        ({"cores": "8"}, True),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_leader_here", [True, False])
def test_environments_that_workers_joined_with_count_in_the_next_session_where_their_software_is_the_same(
    layout: Layout, changes: dict[str, str], *, is_kept: bool, is_leader_here: bool
) -> None:
    own = FrozenMapping({HERE: facts({})}) if is_leader_here else FrozenMapping[FrozenMapping[str]]()
    record = replace(sweep([planned()], session=BEFORE), environments=own)
    begin(layout, record)
    join(layout, {ELSEWHERE: facts(changes)})

    for session in ("next", NOW):
        begin(layout, replace(record, session=session), software=FACTS)

    same_version = {"layerprof": "1.0", "transformers": "4.5"}.items() <= facts(changes).items()
    is_there = is_kept or (
        not is_leader_here and same_version
    )  # a leader that measures nothing has no place of its own
    is_there &= facts(changes)["torch"].startswith("2.13.0")
    assert set(read_plan(layout).environments) == {*own, *([ELSEWHERE] if is_there else [])}
    assert read_plan(layout).joined == ((ELSEWHERE,) if is_there else ())


def test_what_the_sweep_itself_was_started_in_before_does_not_count_by_itself(layout: Layout) -> None:
    """It was set up otherwise then, such as with another allocator: that is to be measured anew."""
    begin(layout, replace(sweep([planned()]), environments=FrozenMapping({ELSEWHERE: facts({"LD_PRELOAD": "x"})})))

    begin(layout, replace(sweep([planned()]), environments=FrozenMapping({HERE: facts({})})))

    assert set(read_plan(layout).environments) == {HERE}


def test_a_worker_that_joins_while_a_session_begins_neither_loses_nor_undoes_anything(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session waits for the worker, which has read the plan and not yet written it."""
    begin(layout, sweep([planned()], session=BEFORE))
    write, is_begun, is_over = planfile._write, threading.Event(), threading.Event()

    def start() -> None:
        is_begun.set()
        begin(layout, sweep([planned(1), planned(2)]))
        is_over.set()

    session = threading.Thread(target=start)

    def slow(of: Layout, record: SweepRecord) -> None:
        if not is_begun.is_set():
            session.start()
            assert not is_over.wait(0.2)
        write(of, record)

    monkeypatch.setattr(planfile, "_write", slow)
    join(layout, {ELSEWHERE: FACTS_HERE})
    session.join()

    record = read_plan(layout)
    assert (record.session, len(record.cells)) == (NOW, 2)


def test_a_worker_that_joined_since_the_folder_was_scanned_still_counts(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(layout, sweep([planned()], session=BEFORE))
    other = FrozenMapping({**FACTS_HERE, "cpu": "another"})

    def scanned(of: Layout) -> object:
        found = scan(of)
        join(of, {ELSEWHERE: other})
        return found

    monkeypatch.setattr(folders, "scan", scanned)
    begin(layout, sweep([planned()]))

    assert dict(read_plan(layout).environments) == {HERE: FACTS_HERE, ELSEWHERE: other}


def test_a_cells_profile_is_found_after_a_change_of_directory(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(layout, sweep([planned()]))
    keep(layout, replace(outcome(), profile=full_profile()), key=key())
    monkeypatch.chdir(layout.folder.parent)
    (found,) = load_sweep(layout.folder.name).cells

    monkeypatch.chdir(tmp_path.parent)

    assert found.profile == full_profile()


def test_what_was_measured_in_this_session_counts_wherever_it_was(layout: Layout) -> None:
    elsewhere = key(environment=ELSEWHERE)
    begin(layout, sweep([planned()]))
    keep(layout, outcome(summary(elsewhere)), key=elsewhere)

    (found,) = load_sweep(layout.folder).cells

    assert (found.status, found.environment) == ("done", ELSEWHERE)


def test_what_was_measured_here_in_an_earlier_session_counts(layout: Layout) -> None:
    begin(layout, sweep([planned()]))
    keep(layout, outcome(summary(session=BEFORE)), key=key())

    assert statuses(load_sweep(layout.folder)) == ["done"]


def test_a_worker_that_joins_makes_its_environment_count(layout: Layout) -> None:
    elsewhere = key(environment=ELSEWHERE)
    begin(layout, sweep([planned()]))
    keep(layout, outcome(summary(elsewhere, session=BEFORE)), key=elsewhere)

    join(layout, {ELSEWHERE: FACTS_ELSEWHERE})

    assert dict(read_plan(layout).environments) == {HERE: FACTS_HERE, ELSEWHERE: FACTS_ELSEWHERE}
    assert statuses(load_sweep(layout.folder)) == ["done"]


def test_joining_with_what_counts_already_writes_nothing(layout: Layout) -> None:
    begin(layout, sweep([planned()]))
    before = layout.plan.stat()

    join(layout, {HERE: FACTS_HERE})

    assert layout.plan.stat() == before


def test_workers_that_join_at_once_are_all_told_of(layout: Layout) -> None:
    begin(layout, sweep([planned()]))
    names = [f"{number:016x}" for number in range(8)]
    threads = [threading.Thread(target=join, args=(layout, {name: FACTS_HERE})) for name in names]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(read_plan(layout).environments) == {HERE, *names}


def test_joining_without_a_sweep_is_refused(layout: Layout) -> None:
    with pytest.raises(lp.InputError, match=r"there is no sweep\.json in"):
        join(layout, {HERE: FACTS_HERE})


def test_a_new_session_sets_damaged_runs_aside_and_says_so(layout: Layout) -> None:
    write_text(layout.run(key()), "damaged")

    found = begin(layout, sweep([planned()]))

    assert (found.summaries, found.damaged) == ((), ())
    assert files_in(layout) == {SWEEP_FILE, f"set-aside/{key().stem}.json"}
    (note,) = load_sweep(layout.folder).notes
    assert (note.code, note.scope) == ("set_aside", layout.run(key()).name)


def test_a_new_session_tells_what_is_stored(layout: Layout) -> None:
    begin(layout, sweep([planned()]))
    keep(layout, outcome(), key=key())

    assert begin(layout, sweep([planned()])).summaries == scan(layout).summaries == (run().summary,)


def test_what_killed_writers_left_is_removed_and_what_may_still_be_written_is_not(layout: Layout) -> None:
    stem = key().stem
    old = [
        f".{SWEEP_FILE}.0123",
        f"cells/.{stem}.json.89ab",
        f"profiles/.{stem}.timeline.npz.cdef",
        f"logs/.{stem}.txt.01",
    ]
    kept = [f"cells/.{stem}.json.new", "cells/.gitignore", ".gitkeep.old"]
    for name in (*old, *kept):
        write_text(layout.folder / name, "half")
        if name not in kept[:1]:
            os.utime(layout.folder / name, (0, 0))

    begin(layout, sweep([planned()]))

    assert files_in(layout) == {SWEEP_FILE, *kept}


def test_who_is_alone_knows_that_all_are_leavings(layout: Layout) -> None:
    write_text(layout.cells / f".{key().stem}.json.new", "half")

    begin(layout, sweep([planned()]), is_alone=True)

    assert files_in(layout) == {SWEEP_FILE}


@pytest.mark.parametrize("names", [("other", "net"), ("plan", "other")], ids=["name", "model"])
def test_a_folder_with_another_sweep_is_refused_and_left_alone(layout: Layout, names: tuple[str, str]) -> None:
    record = sweep([planned()])
    begin(layout, record)
    before = layout.plan.read_bytes()
    name, model = names
    other = replace(record, plan=replace(record.plan, name=name, model=model))

    for refused in (lambda: begin(layout, other), lambda: require_startable(layout, other.plan)):
        with pytest.raises(lp.InputError, match="holds the sweep 'plan' of net; choose another folder for"):
            refused()

    assert layout.plan.read_bytes() == before


@pytest.mark.parametrize("content", ["{}", '{"format": "layerprof", "schema": 999}', '{"format"'])
def test_a_plan_that_is_damaged_or_newer_is_named_and_left_alone(layout: Layout, content: str) -> None:
    write_text(layout.plan, content)

    with pytest.raises(lp.RecordError, match=r"sweep\.json"):
        begin(layout, sweep([planned()]))
    with pytest.raises(lp.RecordError, match=r"sweep\.json"):
        load_sweep(layout.folder)

    assert layout.plan.read_text() == content


def test_a_run_of_a_newer_layerprof_ends_it_before_anything_is_changed(layout: Layout) -> None:
    begin(layout, sweep([planned()]))
    write_text(layout.run(key()), '{"format": "layerprof", "schema": 999}')
    before = layout.plan.read_bytes()

    with pytest.raises(lp.RecordError, match="upgrade layerprof"):
        begin(layout, sweep([planned(2)]))
    with pytest.raises(lp.RecordError, match="upgrade layerprof"):
        load_sweep(layout.folder)

    assert layout.plan.read_bytes() == before
    assert layout.run(key()).is_file()


def test_a_folder_without_a_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lp.InputError, match=r"there is no sweep\.json in"):
        lp.load(tmp_path)


def test_a_sweep_that_is_something_else_is_refused(layout: Layout) -> None:
    write_record(full_profile(), layout.plan)

    with pytest.raises(lp.RecordError, match=r"sweep\.json holds a Profile, not a SweepRecord"):
        lp.load(layout.folder)


def test_a_single_run_is_not_loaded_by_itself(layout: Layout) -> None:
    write_record(run(), layout.run(key()))

    with pytest.raises(lp.InputError, match="one run of a sweep's cell; give the folder"):
        lp.load(layout.run(key()))


@pytest.fixture
def older(layout: Layout) -> Layout:
    """A sweep as earlier versions stored it: two cells, one of them done, with a profile."""
    write_record(older_sweep(*(replace(cell(name), status="pending") for name in ("a1", "b2"))), layout.plan)
    write_record(replace(cell("b2"), profile_path="cells/b2.profile.json"), layout.cells / "b2.json")
    write_record(full_profile(), layout.cells / "b2.profile.json")
    return layout


def test_cells_of_an_earlier_version_are_taken_as_they_are(older: Layout) -> None:
    pending, done = load_sweep(older.folder).cells

    assert (pending.status, pending.profile) == ("pending", None)
    assert done == replace(cell("b2"), profile_path="cells/b2.profile.json")
    assert done.profile == full_profile()


def test_a_damaged_cell_of_an_earlier_version_is_named(older: Layout) -> None:
    cut(older.cells / "b2.json", 0.5)

    with pytest.raises(lp.RecordError, match=r"b2\.json is truncated"):
        lp.load(older.folder)


def test_a_cell_of_an_earlier_version_that_is_something_else_is_refused(older: Layout) -> None:
    write_record(full_profile(), older.cells / "a1.json")

    with pytest.raises(lp.RecordError, match=r"a1\.json holds a Profile, not a CellRecord"):
        lp.load(older.folder)


def test_runs_come_before_what_an_earlier_version_stored(layout: Layout) -> None:
    begin(layout, sweep([planned()]))
    write_record(cell(cell_id(1)), layout.cells / f"{cell_id(1)}.json")
    keep(layout, outcome(summary(metrics={"latency_s": 9.0})), key=key())

    assert load_sweep(layout.folder).cells[0].metrics["latency_s"] == 9.0


def test_a_sweep_that_no_session_has_marked_takes_all_its_runs(layout: Layout) -> None:
    elsewhere = key(environment=ELSEWHERE)
    begin(layout, replace(sweep([planned()]), session="", environments=FrozenMapping()))
    keep(layout, outcome(summary(elsewhere)), key=elsewhere)

    assert statuses(load_sweep(layout.folder)) == ["done"]
