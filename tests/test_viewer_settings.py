"""TensorBoard's own pages with settings at which a chart shows what was measured."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from layerprof.viewer.settings import SCRIPT, SETTINGS, plain_pages


def archive(folder: Path, script: str) -> Path:
    path = folder / "pages.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("index.html", "<html>")
        made.writestr("fonts/", "")
        made.writestr(SCRIPT, script)
    return path


def known_script(**counts: int) -> str:
    return "".join(f"{piece};" * counts.get(piece, count) for piece, (count, _) in SETTINGS.items())


def test_the_settings_are_others_and_the_rest_stays(tmp_path: Path) -> None:
    content = plain_pages(archive(tmp_path, known_script()))

    assert content is not None
    with zipfile.ZipFile(BytesIO(content)) as made:
        assert made.read("index.html") == b"<html>"
        script = made.read(SCRIPT).decode()
    assert script == "".join(f"{piece};" * count for count, piece in SETTINGS.values())


@pytest.mark.parametrize("piece", SETTINGS)
@pytest.mark.parametrize("more", [-1, 1])
def test_pages_that_are_not_known_are_left_alone(tmp_path: Path, piece: str, more: int) -> None:
    script = known_script(**{piece: SETTINGS[piece][0] + more})

    assert plain_pages(archive(tmp_path, script)) is None


def test_an_archive_without_the_script_or_none_at_all_is_left_alone(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as made:
        made.writestr("index.html", "")

    assert plain_pages(tmp_path / "other.zip") is None
    assert plain_pages(tmp_path / "none.zip") is None


def test_the_installed_pages_are_the_known_ones() -> None:
    assert plain_pages() is not None
