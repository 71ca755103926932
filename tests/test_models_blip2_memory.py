"""Weights that do not fit are refused before any is allocated, with the machine's numbers in the message."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from layerprof.errors import UnavailableError
from layerprof.machine import available_bytes, group_available_bytes
from layerprof.models import Blip2Adapter, LoadOptions
from layerprof.models.blip2.memory import require_memory

CPU = torch.device("cpu")
GIB = 2**30


def write_group(folder: Path, *, limit: str, used_bytes: int, droppable_bytes: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used_bytes}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {droppable_bytes}\nactive_file 7\n")


def test_a_model_that_does_not_fit_is_refused_with_a_remedy() -> None:
    adapter = Blip2Adapter(available_bytes=lambda device: 8 * GIB)

    with pytest.raises(UnavailableError, match=r"blip2-opt-2.7b needs 15.3 GiB on cpu and 8.00 GiB are free; .*bf16"):
        adapter.load("blip2-opt-2.7b", LoadOptions(dtype="float32"))


def test_a_device_that_does_not_tell_its_memory_is_not_asked_twice() -> None:
    require_memory(10**15, device=CPU, available=lambda device: None, name="anything")


def test_weights_without_a_tenth_to_spare_are_refused() -> None:
    with pytest.raises(UnavailableError):
        require_memory(100, device=CPU, available=lambda device: 109, name="anything")


def test_this_machine_has_memory() -> None:
    free_bytes = available_bytes(CPU)

    assert free_bytes is not None
    assert free_bytes > 0


def test_the_meta_device_needs_none() -> None:
    assert available_bytes(torch.device("meta")) is None


def test_pages_of_files_count_as_free_in_a_group(tmp_path: Path) -> None:
    write_group(tmp_path, limit="1000", used_bytes=700, droppable_bytes=100)

    assert list(group_available_bytes(tmp_path, "/")) == [400]


def test_a_group_without_a_limit_says_nothing(tmp_path: Path) -> None:
    write_group(tmp_path, limit="max", used_bytes=700)

    assert list(group_available_bytes(tmp_path, "/")) == []


def test_the_groups_above_the_processs_own_count_too(tmp_path: Path) -> None:
    write_group(tmp_path / "user", limit="1000", used_bytes=900)
    write_group(tmp_path / "user" / "job", limit="500", used_bytes=100)

    assert list(group_available_bytes(tmp_path, "/user/job")) == [400, 100]


def test_limits_of_the_first_version_of_groups_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "memory"
    folder.mkdir()
    (folder / "memory.limit_in_bytes").write_text("1000")
    (folder / "memory.usage_in_bytes").write_text("600")
    (folder / "memory.stat").write_text("total_inactive_file 50\n")

    assert list(group_available_bytes(tmp_path, "")) == [450]


def test_a_machine_without_control_groups_says_nothing(tmp_path: Path) -> None:
    assert list(group_available_bytes(tmp_path / "absent", "/job")) == []
