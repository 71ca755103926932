"""The examples run from top to bottom, in a folder of their own."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from quick_cells import quick_cells

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
SHOWN = {"reference_flops": "0.7513 T", "sweep_own_module": "the fastest:"}  # by the others, a profile
SLOW = ("reference_flops", "sweep_own_module")


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    with quick_cells():
        yield


def _param(path: Path) -> object:
    return pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem in SLOW else [])


@pytest.mark.parametrize("path", [_param(path) for path in EXAMPLES])
def test_the_example_runs_and_shows_its_result(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    runpy.run_path(str(path), run_name="__main__")

    assert SHOWN.get(path.stem, "(unattributed)") in capsys.readouterr().out


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 2
