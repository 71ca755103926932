"""``layerprof report``: tables and plots again from what is stored; nothing is measured and torch is not needed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from layerprof.analysis import analysed
from layerprof.cli.base import Traceback, complain, console, write_sweep_files
from layerprof.errors import InputError
from layerprof.ledger import SWEEP_FILE, Layout
from layerprof.output import load
from layerprof.records import CellRecord, FlopReport, Profile, SweepRecord
from layerprof.report import render
from layerprof.report.text import print_record
from layerprof.store import write_text
from layerprof.traces import is_trace, load_trace

_PROFILE_FILE = "profile.json"

Source = Annotated[
    Path, typer.Argument(metavar="PATH", help="A folder with a sweep or a profile, a .json file, or a torch trace.")
]
FormatName = Annotated[
    Literal["text", "markdown", "html", "csv", "json", "raw"],
    typer.Option("--format", help="Of the report; json and raw are of sweeps alone."),
]
Against = Annotated[
    str | None,
    typer.Option(help="Published figures to compare a sweep with, such as reference.", metavar="FIGURES"),
]
Out = Annotated[Path | None, typer.Option(help="File to write instead of standard output.")]


def report(
    source: Source,
    format_name: FormatName = "text",
    against: Against = None,
    out: Out = None,
    traceback: Traceback = False,
) -> int:
    """Report what is stored; the tables and plots in a sweep's folder are made anew."""
    place = _place_of(source)
    record = _record(place)
    if against is not None:
        record = _compared(record, against)
        if format_name == "csv":
            complain("csv has one row a cell and no comparison; the other formats have it", kind="note")
    if out is not None:
        write_text(out, render(record, format_name))
    elif format_name == "text":
        print_record(record, console())
    else:
        sys.stdout.write(render(record, format_name))
    if isinstance(record, SweepRecord) and out is None and place.is_dir() and os.access(place, os.W_OK):
        sys.stdout.flush()  # what was asked for has been seen, whatever becomes of the files
        write_sweep_files(record, place)
    return 0


def _compared(record: Profile | SweepRecord | FlopReport, against: str) -> SweepRecord:
    if not isinstance(record, SweepRecord):
        kind = "profile" if isinstance(record, Profile) else "FLOP report"
        raise InputError(f"--against {against} is for sweeps and this is a {kind}; give the folder of a sweep")
    return analysed(record, against=against)


def _place_of(source: Path) -> Path:
    """A sweep's folder where its ``sweep.json`` is given, which has the plan alone; else the source."""
    layout = Layout(source.parent)
    is_of_folder = source.name == SWEEP_FILE and (layout.cells.is_dir() or layout.leases.is_dir())
    return layout.folder if is_of_folder else source


def _record(source: Path) -> Profile | SweepRecord | FlopReport:
    has_sweep = (source / SWEEP_FILE).is_file()
    if source.is_file() and is_trace(source):
        return load_trace(source)
    record = load(source / _PROFILE_FILE if source.is_dir() and not has_sweep else source)
    if isinstance(record, CellRecord):
        raise InputError(f"{source} is a single cell; give its .profile.json, or the sweep's folder")
    return record
