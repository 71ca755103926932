"""Ctrl-C, SIGTERM and SIGHUP end the command at any time: status 0, no traceback, no process left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest
from report_records import profile_of, two_blocks
from viewer_commands import are_gone, await_true, children_of, running, started
from viewer_servers import DEADLINE_S, module_events, write_trace

import layerprof as lp

pytestmark = pytest.mark.slow

ENDINGS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_a_server_that_is_up_ends_all_of_it(tmp_path: Path, ending: signal.Signals) -> None:
    write_trace(tmp_path / "run" / "w.1.pt.trace.json.gz", module_events(["encoder.fc1"]))

    with running("--logdir", str(tmp_path), "--port", "0") as (process, told):
        children = children_of(process)
        os.killpg(process.pid, ending)
        _, complaints = process.communicate(timeout=DEADLINE_S)

    assert "http://" in told
    assert (process.returncode, complaints) == (0, "")
    assert children
    assert are_gone(children)


@pytest.mark.parametrize(
    ("ending", "count"),
    [(signal.SIGINT, 1), (signal.SIGHUP, 2), (signal.SIGINT, 3)],  # handled alike but for Ctrl-C, as the export shows
)
def test_a_signal_while_it_starts_ends_all_of_it(tmp_path: Path, ending: signal.Signals, count: int) -> None:
    write_trace(tmp_path / "run" / "w.1.pt.trace.json.gz", module_events(["encoder.fc1"], ops_each=5_000))
    children: list[psutil.Process] = []

    def has_children() -> bool:
        children[:] = children_of(process)
        return len(children) >= count

    with started("--logdir", str(tmp_path), "--port", "0") as process:
        await_true(has_children)  # what tracks resources, what traces share, what reads a trace
        os.killpg(process.pid, ending)
        _, complaints = process.communicate(timeout=DEADLINE_S)

    assert (process.returncode, complaints) == (0, "")
    assert are_gone(children)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_signal_during_the_export_ends_it(tmp_path: Path, ending: signal.Signals) -> None:
    for number in range(20):
        lp.save(profile_of(two_blocks()), tmp_path / f"{number}.profile.json")

    with started("--logdir", str(tmp_path), "--port", "0") as process:
        assert process.stderr is not None
        exporting = process.stderr.readline()
        process.send_signal(ending)
        told, complaints = process.communicate(timeout=DEADLINE_S)

    assert exporting.startswith("layerprof: exporting: 20 profiles")
    assert (process.returncode, complaints) == (0, "")
    assert "http://" not in told
