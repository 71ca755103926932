"""Records to TensorBoard: scalars, HParams, figures, tables and traces, in folders that `tensorboard --logdir` opens.

profile ─▶ logdir/                one run
cell    ─▶ logdir/                one run
sweep   ─▶ logdir/[test/]cell/    one run a cell
           logdir/report/         what is of no single cell

Files are written without TensorFlow and without torch, one event file a run, whole or not there. The time in an event
is the one at which it was measured; where the record does not say when, the time of the export, the same in all events
of a run. Apart from that time the same record gives the same bytes.
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING

from layerprof.errors import InputError, UnavailableError
from layerprof.progress import Show, progress_bar
from layerprof.records import CellRecord, Profile, SweepRecord

if TYPE_CHECKING:
    from layerprof.boards.sweeps import Making

BoardRecord = Profile | CellRecord | SweepRecord


def export_tensorboard(record: BoardRecord, logdir: str | Path, *, progress: bool = False) -> tuple[Path, ...]:
    """Writes a record as runs of TensorBoard, in the place of what an earlier export to the same logdir wrote there.

    Files of others stay, those of another logdir's exports among them. An error or Ctrl-C keeps what was written so
    far: a run is whole or not there.

    Args:
        record: a profile or a cell, which become the run ``logdir``, or a sweep: a run a cell below it, and ``report``.
        logdir: is made where it is not there.
        progress: whether a bar on standard error shows which cell is written.

    Returns:
        The files that were written.

    Raises:
        InputError: when the record is of another kind, the folder cannot be written, or a sweep's run is a link there.
        RecordError: when the profile of a single cell is damaged; in a sweep the report says so. A damaged timeline
            costs the trace alone: the notes among the run's texts say why there is none.
        UnavailableError: when tensorboard is not installed.

    Limits:
        A cell of a sweep has no figures of its own, and of the tables not those of all layers, ops, families, phases by
        layer, owners of the peak and the roofline; exported by itself it has all. TensorBoard keeps scalars as float32.
    """
    folder = Path(logdir)
    _require_possible(record, folder)
    with progress_bar("tensorboard", is_shown=progress) as show:
        return _exported(record, folder, show, now_s=time.time())


def _require_possible(record: object, folder: Path) -> None:
    """Returns where the record can be exported to the folder, as far as can be told before.

    Raises:
        InputError: when the record is of another kind, or the folder is a file.
        UnavailableError: when tensorboard is not installed.
    """
    if not isinstance(record, Profile | CellRecord | SweepRecord):
        kind = type(record).__name__
        raise InputError(f"cannot export a {kind} to TensorBoard; give a Profile, a CellRecord or a SweepRecord")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"the logdir {folder} is a file; give a folder, or a path where one can be made")
    if importlib.util.find_spec("tensorboard") is None:
        raise UnavailableError("tensorboard is not installed, which writes the events; pip install tensorboard")


def _exported(record: BoardRecord, folder: Path, show: Show, *, now_s: float) -> tuple[Path, ...]:
    if isinstance(record, Profile):
        from layerprof.boards.profiles import export_profile

        return export_profile(record, folder, _trace, now_s=now_s)
    from layerprof.boards.sweeps import export_cell, export_sweep

    if isinstance(record, CellRecord):
        return export_cell(record, folder, _making(show, now_s=now_s, is_brief=False))
    return export_sweep(record, folder, _making(show, now_s=now_s, is_brief=True))


def _making(show: Show, *, now_s: float, is_brief: bool) -> Making:
    from layerprof.boards.profiles import LAYER_CHARTS, content_of
    from layerprof.boards.sweeps import Making

    return Making(
        content_of=lambda profile: content_of(profile, _trace, is_brief=is_brief),
        layer_charts=LAYER_CHARTS,
        show=show,
        now_s=now_s,
    )


def _trace(profile: Profile, for_plugin: bool) -> bytes:
    from layerprof.traces import trace_json

    return trace_json(profile, for_plugin=for_plugin)


__all__ = ["BoardRecord", "export_tensorboard"]
