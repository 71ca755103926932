"""What is told of this machine without torch: its processor, and how many of its cores a process may use."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from layerprof import host

Machine = Callable[..., None]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Makes a machine of so many cores, with the files that tell about it."""
    for name, place in {"_CPU_INFO": "cpuinfo", "_OWN_GROUPS": "own", "_GROUPS": "groups", "_CPUS": "cpus"}.items():
        monkeypatch.setattr(host, name, tmp_path / place)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def make(*, cores: int, files: Mapping[str, str] | None = None) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
        for name, text in (files or {}).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return make


def siblings(*lists: str) -> dict[str, str]:
    return {f"cpus/cpu{core}/topology/thread_siblings_list": f"{text}\n" for core, text in enumerate(lists)}


@pytest.mark.parametrize(
    ("files", "quota", "cores"),
    [
        ({}, None, 64),
        ({"own": "0::/\n", "groups/cpu.max": "max 100000\n"}, None, 64),
        ({"own": "0::/\n", "groups/cpu.max": "200000 100000\n"}, 2.0, 2),
        ({"own": "0::/a/b\n", "groups/a/cpu.max": "150000 100000\n", "groups/a/b/cpu.max": "max 100000\n"}, 1.5, 2),
        ({"own": "0::/a/b\n", "groups/cpu.max": "300000 100000\n"}, 3.0, 3),  # the host's path, seen from inside
        ({"own": "0::/../a\n", "groups/cpu.max": "300000 100000\n"}, 3.0, 3),
        ({"own": "0::/\n", "groups/cpu.max": "5000 100000\n"}, 0.05, 1),
        ({"own": "0::/\n", "groups/cpu.max": "9900000 100000\n"}, 99.0, 64),
        (
            {
                "own": "3:memory:/m\n2:cpu,cpuacct:/c\n0::/\n",
                "groups/cpu,cpuacct/c/cpu.cfs_quota_us": "250000\n",
                "groups/cpu,cpuacct/c/cpu.cfs_period_us": "100000\n",
            },
            2.5,
            3,
        ),
        (
            {"own": "1:cpu:/\n", "groups/cpu/cpu.cfs_quota_us": "-1\n", "groups/cpu/cpu.cfs_period_us": "100000\n"},
            None,
            64,
        ),
        ({"own": "0::/\n", "groups/cpu.max": "nonsense\n"}, None, 64),
    ],
)
def test_no_more_cores_are_usable_than_the_control_groups_give_time_for(
    machine: Machine, files: Mapping[str, str], quota: float | None, cores: int
) -> None:
    machine(cores=64, files=files)

    assert host.cpu_quota() == quota
    assert host.usable_cores() == cores


def test_a_thread_on_each_physical_core_is_the_default(machine: Machine) -> None:
    machine(cores=4, files=siblings("0,2", "1,3", "0,2", "1,3"))

    assert host.default_threads() == 2
    assert host.siblings_of(3) == {1, 3}


def test_neighbours_share_a_core_too(machine: Machine) -> None:
    machine(cores=4, files=siblings("0-1", "0-1", "2-3", "2-3"))

    assert host.default_threads() == 2


def test_a_machine_that_does_not_tell_has_a_thread_on_each_core(machine: Machine) -> None:
    machine(cores=4)

    assert host.default_threads() == 4
    assert host.siblings_of(3) == {3}


def test_a_container_with_two_of_64_cores_has_two_threads(machine: Machine) -> None:
    machine(cores=64, files={"own": "0::/\n", "groups/cpu.max": "200000 100000\n"})

    assert host.default_threads() == 2


@pytest.mark.parametrize(("asked", "threads"), [("3", 3), ("4,2", 4), ("128", 128), ("0", 2), ("many", 2), ("", 2)])
def test_the_users_own_number_of_threads_is_honoured(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, asked: str, threads: int
) -> None:
    machine(cores=2)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)

    assert host.default_threads() == threads


def test_a_processor_has_the_name_that_the_system_gives(machine: Machine) -> None:
    machine(cores=1, files={"cpuinfo": "processor : 0\nmodel name\t: AMD EPYC 9554\n"})

    assert host.cpu_name() == "AMD EPYC 9554"


def test_a_processor_of_arm_is_told_by_its_maker_and_its_designs(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    text = "\n".join(
        f"processor : {i}\nCPU implementer\t: 0x41\nCPU part\t: 0x{part}" for i, part in [(0, "d0c"), (1, "d4f")]
    )
    machine(cores=2, files={"cpuinfo": text})

    assert host.cpu_name() == "aarch64 implementer 0x41 part 0xd0c+0xd4f"


def test_a_system_that_tells_nothing_has_a_processor_all_the_same(machine: Machine) -> None:
    machine(cores=1)

    assert host.cpu_name()
