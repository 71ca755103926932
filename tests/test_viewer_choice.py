"""Which profiler plugin is served with which packages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from layerprof.errors import UnavailableError
from layerprof.viewer import Choice, chosen_plugin
from layerprof.viewer.base import REPLACED

INSTALLED = {"tensorboard": "2.21.0", "torch-tb-profiler": "0.4.3", "setuptools": "84.2.1"}


def chosen(pages: Path, **changed: str | None) -> Choice:
    found: Mapping[str, str | None] = INSTALLED | {name.replace("_", "-"): value for name, value in changed.items()}
    return chosen_plugin(found.get, pages)


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    for name, pairs in REPLACED.items():
        (tmp_path / name).write_text("\n".join(piece for piece, _ in pairs))
    return tmp_path


def test_the_known_plugin_is_mended(pages: Path) -> None:
    assert chosen(pages) == Choice(is_mended=True)


def test_the_installed_plugin_is_the_known_one() -> None:
    assert chosen_plugin() == Choice(is_mended=True)


@pytest.mark.parametrize("version", ["0.4.1", "0.4.4", "0.4.3.post1"])
def test_another_version_is_served_as_it_is(pages: Path, version: str) -> None:
    choice = chosen(pages, torch_tb_profiler=version)

    assert not choice.is_mended
    assert choice.note is not None
    assert f"torch-tb-profiler is {version}, not 0.4.3" in choice.note
    assert "device times of CUDA traces are 0" in choice.note


@pytest.mark.parametrize(("page", "piece"), [(page, piece) for page, pairs in REPLACED.items() for piece, _ in pairs])
@pytest.mark.parametrize("times", [0, 2])
def test_a_page_that_is_not_as_released_is_served_as_it_is(pages: Path, page: str, piece: str, times: int) -> None:
    text = (pages / page).read_text()
    (pages / page).write_text(text.replace(piece, piece * times))

    choice = chosen(pages)

    assert not choice.is_mended
    assert choice.note is not None
    assert f"{page} of torch-tb-profiler 0.4.3 is not as released" in choice.note


def test_a_page_that_is_missing_is_no_error(pages: Path) -> None:
    (pages / "index.html").unlink()

    assert not chosen(pages).is_mended


def test_without_the_plugin_a_note_says_how_to_get_it(pages: Path) -> None:
    choice = chosen(pages, torch_tb_profiler=None)

    assert not choice.is_mended
    assert choice.note is not None
    assert "pip install torch-tb-profiler==0.4.3" in choice.note
    assert "\n" not in choice.note


def test_without_tensorboard_the_remedy_is_named(pages: Path) -> None:
    with pytest.raises(UnavailableError, match=r"pip install 'tensorboard>=2\.21'"):
        chosen(pages, tensorboard=None)


@pytest.mark.parametrize("setuptools", ["84.2.1", "81.0", None])
def test_a_tensorboard_that_needs_pkg_resources_is_refused_where_there_is_none(
    pages: Path, setuptools: str | None
) -> None:
    with pytest.raises(UnavailableError, match=r"tensorboard 2\.20\.0 cannot start"):
        chosen(pages, tensorboard="2.20.0", setuptools=setuptools)


@pytest.mark.parametrize("tensorboard", ["2.20.0", "2.21.0a1", "3.0"])
def test_a_tensorboard_that_can_start_is_taken(pages: Path, tensorboard: str) -> None:
    assert chosen(pages, tensorboard=tensorboard, setuptools="80.9.0").is_mended
