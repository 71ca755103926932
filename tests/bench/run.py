"""What the profiler itself costs: ``make bench``.

Each line is a median with its 95 % interval; where there is a goal it says whether that was met. The exit status is 0
either way. About half an hour on two cores, and 18 GB of memory; ``--quick`` leaves out BLIP-2 at full geometry and the
300 runs of each simulated counter.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping

import boards
import columns
import counting
import energycost
import files
import geometry
import hooks
import ledger
import nets
import passes
import recovery
import session
import sweeps
import torch
import traces
from lines import Line
from rich.console import Console
from rich.table import Table

SECTIONS: Mapping[str, Callable[[], Iterator[Line]]] = {
    "hooks": hooks.lines,
    "session": session.lines,
    "passes": passes.lines,
    "nets": nets.lines,
    "files": files.lines,
    "ledger": ledger.lines,
    "sweeps": sweeps.lines,
    "traces": traces.lines,
    "boards": boards.lines,
    "columns": columns.lines,
    "counting": counting.lines,
    "geometry": geometry.lines,
    "energycost": energycost.lines,
    "recovery": recovery.lines,
}
SLOW = ("geometry", "counting", "energycost", "recovery")
_STYLES = {"met": "green", "missed": "red", "": ""}


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave out " + ", ".join(SLOW))
    parser.add_argument("--only", nargs="+", choices=tuple(SECTIONS), help="sections to measure; all unless given")
    asked = parser.parse_args()
    chosen = [name for name in asked.only or SECTIONS if not (asked.quick and name in SLOW)]
    torch.manual_seed(0)
    table = Table(title=f"layerprof's own cost, torch {torch.__version__}, {torch.get_num_threads()} threads")
    for column in ("what", "median", "95 % interval", "goal", "", "of"):
        table.add_column(column)
    console = Console()
    with console.status("measuring") as status:
        for name in chosen:
            status.update(f"measuring {name}")
            for line in SECTIONS[name]():
                _add(table, line)
            table.add_section()
    console.print(table)


def _add(table: Table, line: Line) -> None:
    style = _STYLES[line.verdict]
    verdict = f"[{style}]{line.verdict}[/{style}]" if style else ""
    table.add_row(line.what, line.number, line.interval, line.goal, verdict, line.note)


if __name__ == "__main__":
    main()
