"""Which version of a user's module a cell is of, and that no sweep is begun where a cell imports the module."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import layerprof as lp
from layerprof.sweeping.base import CELL_VARIABLE, require_not_in_cell, source_of

Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a file below ``here``, the working directory, or ``there``, of the search path; gives its digest."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", ["", str(tmp_path / "there"), *sys.path])

    def file(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    return file


def test_a_module_in_the_working_directory_goes_before_those_of_the_search_path(write: Write) -> None:
    write("there/mine.py", "elsewhere")
    here = write("here/mine.py", "here")

    assert source_of("mine:build") == here


def test_a_module_is_not_imported_to_be_known(write: Write) -> None:
    digest = write("there/mine.py", "raise SystemExit")

    assert source_of("mine:build") == digest


def test_a_module_that_was_changed_has_another_source(write: Write) -> None:
    first = write("here/mine.py", "x = 1")
    second = write("here/mine.py", "x = 2")

    assert source_of("mine:build") == second != first


def test_packages_are_folders(write: Write) -> None:
    write("here/pack/__init__.py", "")
    inner = write("here/pack/inner.py", "inner")
    folder = write("here/pack/more/__init__.py", "more")

    assert source_of("pack.inner:Net.build") == inner
    assert source_of("pack.more:build") == folder


def test_a_package_without_a_file_of_its_own_has_parts_anywhere(write: Write) -> None:
    write("here/pack/one.py", "one")
    two = write("there/pack/two.py", "two")

    assert source_of("pack.two:build") == two


def test_a_package_with_a_file_hides_one_of_that_name_in_a_later_folder(write: Write) -> None:
    write("here/pack/__init__.py", "")
    write("there/pack/__init__.py", "")
    write("there/pack/two.py", "two")

    assert source_of("pack.two:build") == ""


@pytest.mark.parametrize(
    "model", ["blip2-tiny", "missing:build", "missing.inner:build", "..:build", "a b:c", ":", "x\0:y"]
)
def test_what_has_no_file_has_no_source(write: Write, model: str) -> None:
    assert source_of(model) == ""


def test_a_planned_cell_has_the_source_of_its_module_which_is_no_part_of_its_id(write: Write) -> None:
    plan = lp.Plan(model="mine:build", axes={"seed": (0,)})
    first = write("here/mine.py", "x = 1")
    (before,) = [cell.planned() for cell in plan.cells()]
    second = write("here/mine.py", "x = 2")
    (after,) = [cell.planned() for cell in plan.cells()]

    assert (before.source, after.source) == (first, second)
    assert before.id == after.id


def test_a_preset_has_no_source() -> None:
    assert {cell.planned().source for cell in lp.plans.batch().cells()} == {""}


def test_no_sweep_is_begun_where_a_cell_imports_the_users_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CELL_VARIABLE, raising=False)
    require_not_in_cell()

    monkeypatch.setenv(CELL_VARIABLE, "1")

    with pytest.raises(lp.InputError, match=r"while a cell imports your module; put the sweep under `if __name__ =="):
        require_not_in_cell()
