"""Leases: one holder at a time, whoever dies and whoever else wants the same."""

from __future__ import annotations

import errno
import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

import layerprof as lp
from layerprof.ledger import Layout, Leases, Owner
from layerprof.ledger.leases import beacons
from layerprof.ledger.leases.base import started_of

NEVER_S = 1000.0  # a beat that no test waits for
WORKER = Path(__file__).with_name("lease_worker.py")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


@pytest.fixture
def enter(layout: Layout) -> Iterator[Callable[[Owner], Leases]]:
    with ExitStack() as stack:
        yield lambda owner: stack.enter_context(Leases(layout, owner, beat_s=NEVER_S))


def far(**changes: object) -> Owner:
    """An owner on another machine."""
    return replace(Owner.here(), host="far", boot="another", **changes)  # type: ignore[arg-type]  # by the field's name


def dead() -> Owner:
    """An owner whose process has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    owner = replace(Owner.here(), id="dead", pid=done.pid)
    done.wait()
    return owner


def leave_behind(layout: Layout, owner: Owner, *names: str) -> None:
    """What an owner leaves that is killed while it holds the names."""
    leases = Leases(layout, owner, beat_s=NEVER_S)
    leases._folder.mkdir(exist_ok=True)  # entered without a thread, and never left
    leases._beacons.light()
    for name in names:
        assert leases.claim(name)
    (layout.work / owner.id / "run").mkdir(parents=True)


def age(layout: Layout, owner: Owner, seconds: float) -> None:
    """Makes all of an owner's files older."""
    for path in layout.leases.iterdir():
        if owner.id in path.name or owner.id in path.read_text():
            then_ns = path.stat().st_mtime_ns - int(seconds * 1e9)
            os.utime(path, ns=(then_ns, then_ns))


def test_a_name_has_one_holder(enter: Callable[[Owner], Leases]) -> None:
    mine, other = enter(Owner.here()), enter(Owner.here())

    assert mine.claim("run.0")
    assert not other.claim("run.0")
    assert not mine.claim("run.0")
    assert other.claim("run.1")


def test_a_name_that_is_given_back_can_be_claimed(enter: Callable[[Owner], Leases]) -> None:
    mine, other = enter(Owner.here()), enter(Owner.here())
    mine.claim("run.0")

    mine.release("run.0")

    assert other.claim("run.0")


def test_a_name_of_another_is_not_given_back(enter: Callable[[Owner], Leases]) -> None:
    mine, other = enter(Owner.here()), enter(Owner.here())
    mine.claim("run.0")

    other.release("run.0")

    assert not other.claim("run.0")


def test_it_is_known_who_holds_what(enter: Callable[[Owner], Leases]) -> None:
    mine, other = enter(Owner.here()), enter(Owner.here())
    mine.claim("run.0")
    other.claim("run.1")

    assert other.holder("run.0") == mine.owner
    assert mine.holder("run.2") is None
    assert mine.all_held() == {"run.1"}


def test_names_that_begin_alike_are_different_names(enter: Callable[[Owner], Leases]) -> None:
    mine, other = enter(Owner.here()), enter(Owner.here())
    mine.claim("run.1")

    assert other.claim("run")
    assert other.claim("run.1.0")
    assert other.claim("run.10")


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a\\b"])
def test_a_name_that_no_file_could_have_is_refused(enter: Callable[[Owner], Leases], name: str) -> None:
    with pytest.raises(ValueError, match="no name that a file could have"):
        enter(Owner.here()).claim(name)


def test_the_end_gives_everything_back_and_leaves_nothing(layout: Layout) -> None:
    with Leases(layout, Owner.here()) as leases:
        leases.claim("run.0")
        leases.all_held()

    assert list(layout.leases.iterdir()) == []


def test_the_end_comes_also_by_an_error(layout: Layout) -> None:
    with pytest.raises(KeyboardInterrupt), Leases(layout, Owner.here()) as leases:
        leases.claim("run.0")
        raise KeyboardInterrupt

    assert list(layout.leases.iterdir()) == []


def test_a_dead_process_of_this_machine_holds_nothing_at_once(layout: Layout, enter: Callable[[Owner], Leases]) -> None:
    leave_behind(layout, dead(), "run.0")
    mine = enter(Owner.here())

    assert mine.holder("run.0") is None
    assert mine.all_held() == set()
    assert mine.claim("run.0")


def test_a_killed_process_holds_nothing_although_nobody_has_waited_for_it(
    layout: Layout, enter: Callable[[Owner], Leases]
) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    killed = replace(Owner.here(), id="killed", pid=process.pid, started=started_of(process.pid) or "")
    leave_behind(layout, killed, "run.0")
    mine = enter(Owner.here())
    assert not mine.claim("run.0")

    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert mine.claim("run.0")
    process.communicate()


def test_a_process_that_took_a_dead_ones_number_is_not_the_owner(
    layout: Layout, enter: Callable[[Owner], Leases]
) -> None:
    leave_behind(layout, replace(Owner.here(), id="earlier", started="1"), "run.0")

    assert enter(Owner.here()).claim("run.0")


def test_an_owner_on_another_machine_is_dead_after_three_beats(
    layout: Layout, enter: Callable[[Owner], Leases]
) -> None:
    owner = far()
    leave_behind(layout, owner, "run.0")
    mine = enter(Owner.here())

    age(layout, owner, 2.9 * NEVER_S)
    assert not mine.claim("run.0")

    age(layout, owner, 0.2 * NEVER_S)
    assert mine.claim("run.0")


def test_a_beacon_that_moves_keeps_its_owner_alive(layout: Layout, enter: Callable[[Owner], Leases]) -> None:
    owner = far()
    leave_behind(layout, owner, "run.0")
    mine = enter(Owner.here())
    age(layout, owner, 4 * NEVER_S)

    os.utime(layout.leases / f"{owner.id}.beacon")

    assert not mine.claim("run.0")


def test_no_hosts_clock_is_looked_at(
    layout: Layout, enter: Callable[[Owner], Leases], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file server whose clock is a day behind: ages are told by its clock alone."""
    owner = far()
    leave_behind(layout, owner, "run.0")
    mine = enter(Owner.here())
    age(layout, owner, 86_400.0)
    server_ns = (layout.leases / f"{owner.id}.beacon").stat().st_mtime_ns + int(1e9)
    monkeypatch.setattr(beacons, "file_clock_ns", lambda probe: server_ns)

    assert not mine.claim("run.0")


def test_a_beacon_moves_while_its_owner_lives(layout: Layout) -> None:
    with Leases(layout, Owner.here(), beat_s=0.01) as leases:
        beacon = layout.leases / f"{leases.owner.id}.beacon"
        os.utime(beacon, (0, 0))
        wait_for(lambda: beacon.stat().st_mtime > 0)


def test_a_beacon_that_was_taken_away_comes_back(layout: Layout) -> None:
    with Leases(layout, Owner.here(), beat_s=0.01) as leases:
        beacon = layout.leases / f"{leases.owner.id}.beacon"
        beacon.unlink()
        wait_for(beacon.exists)


def wait_for(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end_s, "it never came"
        time.sleep(0.002)


def test_owners_that_died_on_a_name_are_counted(layout: Layout, enter: Callable[[Owner], Leases]) -> None:
    for number in range(3):
        leave_behind(layout, replace(dead(), id=f"dead{number}"), "run.0")
    mine = enter(Owner.here())

    assert mine.times_lost("run.0") == 3
    assert mine.claim("run.0")
    assert (mine.times_lost("run.0"), mine.times_lost("run.1")) == (3, 0)


def test_what_the_dead_left_is_cleared_away_and_the_living_keep_theirs(
    layout: Layout, enter: Callable[[Owner], Leases]
) -> None:
    mine, other = enter(Owner.here()), enter(Owner.here())
    leave_behind(layout, dead(), "run.0")
    leave_behind(layout, far(id="remote"), "run.1")
    other.claim("run.2")
    for leases in (mine, other):
        (layout.work / leases.owner.id).mkdir()

    mine.clear_dead()

    assert mine.times_lost("run.0") == 0
    assert mine.all_held() == {"run.1", "run.2"}
    assert {path.name for path in layout.work.iterdir()} == {"remote", mine.owner.id, other.owner.id}
    assert not any("dead" in path.name for path in layout.leases.iterdir())


def test_what_no_beacon_tells_of_is_cleared_away_once_it_is_old(
    layout: Layout, enter: Callable[[Owner], Leases]
) -> None:
    mine = enter(Owner.here())
    for name in ("new", "old"):
        (layout.work / name).mkdir(parents=True)
        (layout.leases / f".{name}").touch()
    for path in (layout.work / "old", layout.leases / ".old"):
        os.utime(path, (0, 0))

    mine.clear_dead()

    assert [path.name for path in layout.work.iterdir()] == ["new"]
    assert not (layout.leases / ".old").exists()
    assert (layout.leases / ".new").exists()


def test_of_two_that_claim_at_once_at_most_one_has_it(
    enter: Callable[[Owner], Leases], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = enter(Owner.here()), enter(Owner.here())
    original = Leases._is_created
    won: list[bool] = []

    def overtaken(leases: Leases, path: Path) -> bool:
        monkeypatch.setattr(Leases, "_is_created", original)
        won.append(other.claim("run.0"))
        return original(leases, path)

    monkeypatch.setattr(Leases, "_is_created", overtaken)

    assert not mine.claim("run.0")
    assert won == [True]
    assert mine.holder("run.0") == other.owner


def test_who_comes_late_with_another_generation_sees_the_living_one_and_goes(
    layout: Layout, enter: Callable[[Owner], Leases], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dead lease that both had seen is cleared away in between, so that they create different files."""
    mine, other = enter(Owner.here()), enter(Owner.here())
    leave_behind(layout, dead(), "run.0")
    original = Leases._is_created

    def overtaken(leases: Leases, path: Path) -> bool:
        monkeypatch.setattr(Leases, "_is_created", original)
        other.clear_dead()
        assert other.claim("run.0")
        return original(leases, path)

    monkeypatch.setattr(Leases, "_is_created", overtaken)

    assert not mine.claim("run.0")
    assert mine.holder("run.0") == other.owner
    assert len(list(layout.leases.glob("*.lease"))) == 1


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_links_has_leases_too(
    enter: Callable[[Owner], Leases], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refused(source: Path, target: Path) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refused)
    mine, other = enter(Owner.here()), enter(Owner.here())

    assert mine.claim("run.0")
    assert not other.claim("run.0")
    assert other.holder("run.0") == mine.owner


def test_a_lease_that_is_just_being_written_is_somebodys(layout: Layout, enter: Callable[[Owner], Leases]) -> None:
    mine = enter(Owner.here())
    lease = layout.leases / "run.0.0.lease"
    lease.touch()

    assert not mine.claim("run.0")

    os.utime(lease, (0, 0))
    assert mine.claim("run.0")


def test_an_answer_that_was_lost_on_the_way_is_no_refusal(
    enter: Callable[[Owner], Leases], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system may make a link, lose the answer, and say on the second asking that it is there."""
    original = os.link

    def asked_twice(source: Path, target: Path) -> None:
        original(source, target)
        original(source, target)

    monkeypatch.setattr(os, "link", asked_twice)

    assert enter(Owner.here()).claim("run.0")


def test_on_a_full_disk_nothing_can_be_claimed(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Leases(layout, Owner.here()) as leases:
        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(lp.UnavailableError, match="no space left"):
            leases.claim("run.0")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EPERM], ids=["full", "without links"])
def test_a_claim_that_finds_no_space_leaves_no_lease_of_nobody(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """The space is gone once the temporary file is written; of the lease there is only the name."""

    def refused(source: Path, target: Path) -> None:
        raise OSError(code, os.strerror(code))

    class Full(io.BytesIO):
        def write(self, content: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    original = Path.open

    def opened(self: Path, mode: str = "r") -> object:
        if mode == "xb":
            self.touch()
        return Full() if mode == "xb" else original(self, mode)

    with Leases(layout, Owner.here()) as leases:
        with monkeypatch.context() as disk:
            disk.setattr(os, "link", refused)
            disk.setattr(Path, "open", opened)
            with pytest.raises(lp.UnavailableError, match="no space left"):
                leases.claim("run.0")
            assert {path.suffix for path in layout.leases.iterdir()} <= {".beacon", ".clock"}

        assert leases.claim("run.0")


def test_a_beacon_that_finds_no_space_is_not_left_empty(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: bytes) -> int:
        self.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)

    with pytest.raises(lp.UnavailableError, match="no space left"), Leases(layout, Owner.here()):
        pass

    assert list(layout.leases.iterdir()) == []


def test_a_lease_is_a_tiny_file(layout: Layout) -> None:
    with Leases(layout, Owner.here()) as leases:
        leases.claim("run.0")

        assert all(path.stat().st_size < 1000 for path in layout.leases.iterdir())


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(lp.InputError, match="cannot write"), Leases(Layout(tmp_path / "file"), Owner.here()):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "beat_s", "is_far", "kills"),
    [(400, 10.0, False, 12), (120, 1.0, True, 3)],
    ids=["one host", "many hosts"],
)
def test_processes_that_are_killed_at_random_never_hold_a_name_together_and_leave_none_undone(
    tmp_path: Path, names: int, beat_s: float, is_far: bool, kills: int
) -> None:
    for folder in ("done", "locks"):
        (tmp_path / folder).mkdir()
    chance, count = random.Random(20240229), 0

    def start() -> subprocess.Popen[bytes]:
        nonlocal count
        count += 1
        host = f"host{count}" if is_far else ""
        return subprocess.Popen([sys.executable, str(WORKER), str(tmp_path), str(names), str(beat_s), host])

    def done() -> int:
        return len(list((tmp_path / "done").iterdir()))

    workers = [start() for _ in range(4)]
    try:
        for number in range(kills):
            at = done()
            wait_for(lambda at=at, number=number: done() > max(at, number * names // (kills + 2)))  # type: ignore[misc]  # bound now
            victim = workers.pop(chance.randrange(len(workers)))
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            workers.append(start())
        statuses = [worker.wait(timeout=120) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()

    assert not (tmp_path / "found").exists(), (tmp_path / "found").read_text()
    assert statuses == [0, 0, 0, 0]
    assert done() == names
