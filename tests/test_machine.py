"""Facts about the machine that decide what may be compared with what."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

import layerprof
from layerprof import machine
from layerprof.machine import base, facts, memory

CPU = torch.device("cpu")
MKLDNN_PRODUCTS = getattr(torch.backends.mkldnn, "matmul")  # noqa: B009 - not in its stubs


def test_the_environment_has_the_versions_and_the_device() -> None:
    environment = machine.environment_of(CPU)

    assert environment.layerprof == layerprof.__version__
    assert environment.python == platform.python_version()
    assert environment.torch == torch.__version__
    assert environment.transformers is not None
    assert environment.device == "cpu"
    assert environment.cpu


def test_the_environment_of_one_process_does_not_change() -> None:
    assert machine.environment_of(CPU) == machine.environment_of(CPU)


def test_the_settings_that_change_speed_are_in_the_flags() -> None:
    before = torch.get_float32_matmul_precision()
    newer = [(setting, setting.fp32_precision) for setting in (torch.backends.cuda.matmul, MKLDNN_PRODUCTS)]
    try:
        torch.set_float32_matmul_precision("medium")
        flags = machine.environment_of(CPU).flags
    finally:
        torch.set_float32_matmul_precision(before)
        for setting, precision in newer:  # which the older word has set too
            setting.fp32_precision = precision

    assert flags["float32_matmul_precision"] == "medium"
    assert flags["deterministic"] == "False"


@contextmanager
def precision_of(setting: Any, value: str) -> Iterator[None]:  # Any: torch's modules of settings have no common type
    before = setting.fp32_precision
    setting.fp32_precision = value
    try:
        yield
    finally:
        setting.fp32_precision = before


@pytest.mark.parametrize(
    ("setting", "precision", "word"),
    [
        (torch.backends.cuda.matmul, "tf32", "cuda.matmul.fp32_precision=tf32"),
        (MKLDNN_PRODUCTS, "bf16", "mkldnn.matmul.fp32_precision=bf16"),
    ],
)
def test_torchs_newer_settings_of_precision_are_told_where_it_refuses_the_older_word(
    setting: object, precision: str, word: str
) -> None:
    with precision_of(setting, precision):
        with pytest.raises(RuntimeError, match="precision"):
            torch.get_float32_matmul_precision()
        flags = machine.environment_of(CPU).flags

    assert word in flags["float32_matmul_precision"].split(", ")


def test_a_torch_without_the_newer_settings_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_BACKENDS", ("no.such", "cuda.matmul"))

    assert list(base.backend_precisions()) == ["cuda.matmul.fp32_precision"]


@pytest.mark.parametrize("error", [OSError, AttributeError])
def test_a_load_that_the_system_does_not_tell_is_not_known(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refuse() -> tuple[float, float, float]:
        raise error("no load")

    monkeypatch.setattr(os, "getloadavg", refuse, raising=False)

    assert facts.load_of_last_minute() is None


def test_threads_are_torchs() -> None:
    assert machine.environment_of(CPU).threads == torch.get_num_threads()


def test_a_package_that_is_not_there_has_no_version() -> None:
    assert machine.version_of("a-package-that-is-not-there") is None


def test_cores_are_those_that_this_process_may_use() -> None:
    assert 1 <= machine.usable_cores() <= (os.cpu_count() or 1)


def test_memory_is_at_most_that_of_the_machine() -> None:
    available = machine.available_bytes(CPU)

    assert 0 < machine.memory_limit_bytes() <= psutil.virtual_memory().total
    assert available is not None
    assert 0 < available <= psutil.virtual_memory().total


def test_what_is_left_on_a_device_without_memory_of_its_own_is_not_known() -> None:
    assert machine.available_bytes(torch.device("meta")) is None


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the control group that this process is made to be in, below one without limits."""
    folder = tmp_path / "groups" / "own"
    folder.mkdir(parents=True)
    own = tmp_path / "cgroup"
    own.write_text("0::/own\n")
    monkeypatch.setattr(memory, "_CONTROL_GROUPS", folder.parent)
    monkeypatch.setattr(memory, "_OWN_GROUP", own)
    return folder


def set_limits(folder: Path, *, limit: str, used: int = 0, droppable: int = 0) -> None:
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {droppable}\n")


def test_a_control_groups_limit_is_the_memory_there_is(group: Path) -> None:
    set_limits(group, limit="1000000", used=400_000, droppable=1000)

    assert machine.memory_limit_bytes() == 1_000_000
    assert machine.available_bytes(CPU) == 601_000


def test_the_group_above_has_a_limit_too(group: Path) -> None:
    set_limits(group, limit="1000000")
    set_limits(group.parent, limit="500000", used=1)

    assert machine.memory_limit_bytes() == 500_000
    assert machine.available_bytes(CPU) == 499_999


@pytest.mark.parametrize("limit", ["max", "", str(2**62)])
def test_a_group_without_a_limit_leaves_the_machines_memory(group: Path, limit: str) -> None:
    set_limits(group, limit=limit)

    assert machine.memory_limit_bytes() == psutil.virtual_memory().total


def test_without_control_groups_the_memory_is_the_machines(group: Path) -> None:
    assert machine.memory_limit_bytes() == psutil.virtual_memory().total


def test_there_is_nothing_to_wait_for_on_a_cpu() -> None:
    machine.settle(CPU)
