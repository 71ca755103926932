"""What of a folder TensorBoard's pages show."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerprof.viewer import shown_files


def touched(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize(
    ("name", "is_shown"),
    [
        ("events.out.tfevents.1.host", True),
        ("deep/er/events.out.tfevents.1.host.v2", True),
        ("host.1.pt.trace.json", True),
        ("a/host.pt.trace.json.gz", True),
        ("host.trace.json.gz", False),
        ("host.pt.trace.json.bak", False),
        ("profile.json", False),
    ],
)
def test_a_page_shows_events_and_traces_by_their_names(tmp_path: Path, name: str, is_shown: bool) -> None:
    path = touched(tmp_path / name)

    assert list(shown_files(tmp_path)) == [path] * is_shown


def test_links_are_followed_and_lead_nowhere_twice(tmp_path: Path) -> None:
    touched(tmp_path / "other" / "host.pt.trace.json")
    logdir = tmp_path / "logs"
    logdir.mkdir()
    (logdir / "mine").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "round").symlink_to(logdir)

    assert list(shown_files(logdir)) == [logdir / "mine" / "host.pt.trace.json"]


def test_a_folder_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert list(shown_files(tmp_path / "none")) == []
