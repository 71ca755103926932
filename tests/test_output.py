"""`save`: the form follows the suffix."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from store_records import timeline

import layerprof as lp
from layerprof.records import CellRecord, FrozenMapping
from layerprof.testing import ROWS, WIDTH, NestedNet


@pytest.fixture(scope="module")
def profile() -> lp.Profile:
    net = NestedNet()
    return lp.profile(net, net.inputs, clock=net.clock, warmup=0, repeats=6)


@pytest.mark.parametrize(
    ("suffix", "form"), [(".md", "markdown"), (".html", "html"), (".csv", "csv"), (".txt", "text")]
)
def test_a_form_is_what_render_gives(profile: lp.Profile, tmp_path: Path, suffix: str, form: str) -> None:
    path = tmp_path / f"profile{suffix}"

    lp.save(profile, path)

    assert path.read_bytes() == lp.render(profile, form).encode()  # type: ignore[arg-type]  # one of the forms


@pytest.mark.parametrize("name", ["profile.json", "profile.JSON"])
def test_json_is_what_load_reads(profile: lp.Profile, tmp_path: Path, name: str) -> None:
    lp.save(profile, str(tmp_path / name))

    assert lp.load(tmp_path / name) == profile


@pytest.mark.parametrize("name", ["profile", "profile.pdf", "profile.json.gz", ".json"])
def test_another_suffix_is_refused(profile: lp.Profile, tmp_path: Path, name: str) -> None:
    with pytest.raises(lp.InputError, match=r"ends in none of \.json, \.md, \.html, \.csv, \.txt"):
        lp.save(profile, tmp_path / name)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["profile.json", "profile.JSON", "a.profile.json"])
def test_a_timeline_lies_beside_the_json_alone(profile: lp.Profile, tmp_path: Path, name: str) -> None:
    traced = replace(profile, timeline=timeline())

    lp.save(traced, tmp_path / "profile.md")
    lp.save(traced, tmp_path / name)

    assert {path.name for path in tmp_path.iterdir()} == {"profile.md", name, f"{name[:-5]}.timeline.npz"}


def test_a_flop_report_has_forms_too(tmp_path: Path) -> None:
    report = lp.count_flops(NestedNet(), torch.ones(ROWS, WIDTH))

    lp.save(report, tmp_path / "flops.md")

    assert "192" in (tmp_path / "flops.md").read_text()


def test_a_single_cell_is_json_alone(tmp_path: Path) -> None:
    cell = CellRecord(id="a", axes=FrozenMapping(), status="pending")

    lp.save(cell, tmp_path / "cell.json")

    assert lp.load(tmp_path / "cell.json") == cell
    with pytest.raises(lp.InputError, match=r"a single cell is saved as \.json"):
        lp.save(cell, tmp_path / "cell.md")


def test_a_place_that_cannot_be_written_is_refused_in_one_line(profile: lp.Profile, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(lp.InputError, match="cannot write") as caught:
        lp.save(profile, tmp_path / "file" / "profile.json")

    assert "\n" not in str(caught.value)
