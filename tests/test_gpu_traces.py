"""Traces as files: what is loaded is what was dumped, of columns written by hand and of a session on the CPU."""

from __future__ import annotations

import gzip
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from gpu.subjects import blip2
from gpu.traces import dump_trace, load_trace, record_generation
from op_columns import OpColumns, range_correlation

from layerprof.attribute import OpEvents
from layerprof.attribute.base import DevicePlaces
from layerprof.attribute.ops import booked_ops, placed_ops

PHASES = 4  # vision, qformer, prefill, decode


def assert_same(one: object, other: object) -> None:
    """Field by field; columns by type and value."""
    for field in fields(one):  # type: ignore[arg-type]  # a record of columns
        first, second = getattr(one, field.name), getattr(other, field.name)
        if isinstance(first, np.ndarray):
            assert first.dtype == second.dtype
            assert np.array_equal(first, second), field.name
        elif hasattr(first, "__dataclass_fields__"):
            assert_same(first, second)
        else:
            assert first == second


def by_hand() -> OpEvents:
    linked = int(range_correlation(np.asarray(0)))
    return (
        OpColumns(steps=((0, 1000), (2000, 3000)))
        .range(0, 10, 900)
        .op("aten::linear", 20, 400, shapes=((2, 3), (), (4, 3)))
        .node(500, 600, sequence=7, thread=2)
        .op("aten::add", 2100, 2200)
        .mark(1, 450)
        .launch(5, 30)
        .kernel(5, 50, 90)
        .activity(2, 6, (100, 110), name="Memset (Device)", stream=9, linked=linked)
        .boundary(0, 3)
        .boundary(~0, 8)
        .events()
    )


@pytest.fixture(scope="module")
def recorded() -> OpEvents:
    return record_generation(*blip2(device="cpu"), tokens=3)


def test_columns_written_by_hand_come_back(tmp_path: Path) -> None:
    dump_trace(by_hand(), tmp_path / "trace.npz.gz")

    assert_same(load_trace(tmp_path / "trace.npz.gz"), by_hand())


def test_columns_of_nothing_come_back(tmp_path: Path) -> None:
    dump_trace(OpColumns().events(), tmp_path / "trace.npz.gz")

    assert_same(load_trace(tmp_path / "trace.npz.gz"), OpColumns().events())


def test_the_same_columns_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        dump_trace(by_hand(), tmp_path / name)

    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_file_holds_no_pickle(tmp_path: Path) -> None:
    dump_trace(by_hand(), tmp_path / "trace.npz.gz")

    (tmp_path / "plain.npz").write_bytes(gzip.decompress((tmp_path / "trace.npz.gz").read_bytes()))
    with np.load(tmp_path / "plain.npz", allow_pickle=False) as columns:
        assert {columns[name].dtype.kind for name in columns.files} == {"i", "b", "u"}


def test_a_session_comes_back(recorded: OpEvents, tmp_path: Path) -> None:
    dump_trace(recorded, tmp_path / "trace.npz.gz")

    assert_same(load_trace(tmp_path / "trace.npz.gz"), recorded)


def test_a_session_is_a_small_file(recorded: OpEvents, tmp_path: Path) -> None:
    dump_trace(recorded, tmp_path / "trace.npz.gz")

    assert (tmp_path / "trace.npz.gz").stat().st_size < 500_000


def test_a_recorded_generation_is_attributed(recorded: OpEvents) -> None:
    places = placed_ops(recorded)
    books = booked_ops(recorded, places, DevicePlaces(), phases=PHASES)

    assert recorded.step_start_ns.size == 1
    assert sorted(set(places.op_phase.tolist())) == list(range(PHASES))
    own_ns = int(books.graph.values["host_ns"].sum() + books.unattributed_host_ns.sum())
    assert 0 < own_ns <= int(books.step_ns.sum())
