"""Files of traces: which copy a name asks for, the same bytes each time, and what is refused in one line."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from report_records import cell
from trace_profiles import cpu_profile, cuda_profile, written

import layerprof as lp
from layerprof.traces import export_trace, trace_json


def test_the_same_profile_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (export_trace(cuda_profile(), tmp_path / name) for name in ("a.json.gz", "b.json.gz"))

    assert first.read_bytes() == second.read_bytes()


def test_the_name_tells_which_copy_is_written(tmp_path: Path) -> None:
    profile = cuda_profile(steps=1)

    plain = export_trace(profile, tmp_path / "x.json")
    packed = export_trace(profile, str(tmp_path / "x.json.gz"))
    plugins = export_trace(profile, tmp_path / "new folder" / "w.1.pt.trace.json.gz")

    assert plain.read_bytes() == gzip.decompress(packed.read_bytes())
    assert json.loads(plain.read_bytes()) == written(profile)
    assert json.loads(gzip.decompress(plugins.read_bytes())) == written(profile, for_plugin=True)


def test_a_stored_profile_is_exported_as_the_one_it_was(tmp_path: Path) -> None:
    profile = cuda_profile()
    lp.save(profile, tmp_path / "profile.json")

    loaded = lp.load(tmp_path / "profile.json")

    assert isinstance(loaded, lp.Profile)
    assert trace_json(loaded, for_plugin=True) == trace_json(profile, for_plugin=True)


def test_a_cell_of_a_sweep_is_exported_by_its_profile(tmp_path: Path) -> None:
    profile = cpu_profile()
    lp.save(profile, tmp_path / "p.json")
    record = replace(cell(1), profile_path="p.json", folder=str(tmp_path))

    path = export_trace(record, tmp_path / "x.json")

    assert json.loads(path.read_bytes()) == written(profile)


def test_a_cell_without_a_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lp.InputError, match="cell cell1 has no profile"):
        export_trace(cell(1), tmp_path / "x.json")


def test_a_profile_without_a_timeline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lp.InputError, match=r"no timeline .* 'ops' among its passes.*timeline\.npz"):
        export_trace(replace(cpu_profile(), timeline=None), tmp_path / "x.json")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.html", "x.gz", "x", "x.json.zip"])
def test_another_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(lp.InputError, match=r"ends in \.json or \.json\.gz"):
        export_trace(cpu_profile(), tmp_path / name)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()

    with pytest.raises(lp.InputError, match="it is a folder"):
        export_trace(cpu_profile(), tmp_path / "x.json")


def test_anything_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lp.InputError, match="found str"):
        export_trace("profile.json", tmp_path / "x.json")  # type: ignore[arg-type]  # that is the point
