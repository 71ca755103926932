"""Real traces as small files: the columns of an ops pass as a gzipped npz without pickle, and how one is recorded.

Integer columns are kept as the differences of neighbours, since times and numbers that grow hardly compress otherwise.
"""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from torch import nn

from layerprof import models
from layerprof.attribute import Boundaries, DeviceEvents, HostEvents, IntArray, Launches, OpEvents, RangeEvents
from layerprof.instruments import OpsSession, RangeRecorder, read_columns
from layerprof.machine import settle
from layerprof.measure import resolve
from layerprof.measure.phases import book_of
from layerprof.measure.session import quiet_session

_Table = TypeVar("_Table", HostEvents, RangeEvents, Launches, DeviceEvents, Boundaries)

_TABLES = ("host", "ranges", "launches", "device", "boundaries")
_COLUMNS = ("step_start_ns", "step_end_ns", "step_thread", "phase_step", "phase", "phase_start_ns")
_REST = "rest"  # what is no column, as JSON


def dump_trace(events: OpEvents, path: Path) -> None:
    """Writes the columns; the same columns make the same bytes."""
    columns = {name: getattr(events, name) for name in _COLUMNS}
    for name in _TABLES:
        table = getattr(events, name)
        columns |= {f"{name}.{one.name}": getattr(table, one.name) for one in fields(table)}
    rest = {"strings": events.strings, "shapes": events.shapes, "has_device": events.has_device}
    packed = {name: _packed(column) for name, column in columns.items()}
    packed[_REST] = np.frombuffer(json.dumps(rest).encode(), dtype=np.uint8)
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **packed)
    path.write_bytes(gzip.compress(content.getvalue(), mtime=0))


def load_trace(path: Path) -> OpEvents:
    """The columns that were written."""
    content = io.BytesIO(gzip.decompress(path.read_bytes()))
    with np.load(content, allow_pickle=False) as packed:
        rest = json.loads(packed[_REST].tobytes())
        columns = {name: _unpacked(packed[name]) for name in packed.files if name != _REST}

    def table(kind: type[_Table], name: str) -> _Table:
        return kind(**{one.name: columns[f"{name}.{one.name}"] for one in fields(kind)})  # type: ignore[arg-type]  # bools too

    return OpEvents(
        strings=tuple(rest["strings"]),
        shapes=tuple(tuple(tuple(shape) for shape in shapes) for shapes in rest["shapes"]),
        has_device=rest["has_device"],
        host=table(HostEvents, "host"),
        ranges=table(RangeEvents, "ranges"),
        launches=table(Launches, "launches"),
        device=table(DeviceEvents, "device"),
        boundaries=table(Boundaries, "boundaries"),
        **{name: columns[name] for name in _COLUMNS},  # type: ignore[arg-type]  # only those of columns
    )


def _packed(column: IntArray) -> IntArray:
    return np.diff(column, prepend=0) if column.dtype == np.int64 else column


def _unpacked(column: IntArray) -> IntArray:
    return np.cumsum(column) if column.dtype == np.int64 else column


def record_generation(model: nn.Module, inputs: models.ModelInputs, *, tokens: int) -> OpEvents:
    """The columns of one step of ``generate``, after one that is sacrificed; its phases are all that the model has."""
    rules = models.adapter_for(model).describe(model).phases
    target = resolve(model, method="generate", runs_step=True)
    phases = book_of(target, rules, generates=True, train=False)
    has_device = target.device.type == "cuda"
    recorder, session = RangeRecorder(), OpsSession(has_device=has_device)
    generate = getattr(model, "generate")  # noqa: B009 - a module's own attributes are tensors and modules by its type
    with quiet_session(model, train=False), session.running(), recorder.installed(target.timed):
        for _ in range(2):
            with phases.marked(recorder), recorder.step():
                with recorder.call(0):
                    generate(**inputs, max_new_tokens=tokens, min_new_tokens=tokens)
                settle(target.device)
    events = read_columns(session.take_events(), has_device=has_device)
    return replace(events, phase=np.asarray(phases.phase_of(), dtype=np.int64)[events.phase])
