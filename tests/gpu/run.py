"""All that is shown of a machine with CUDA, in one call of under eight minutes: ``python tests/gpu/run.py [gpu.json]``.

It runs the tests of this folder, measures, records a small trace of BLIP-2, and writes one JSON, anew after each part,
so that what is done is kept whatever happens later; the trace lies beside it. Exit status: 0 when everything held, 1
when a test or a part failed, 2 without CUDA.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

_HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(_HERE.parent))

from gpu.figures import full_forward, machine, overheads  # noqa: E402 - tests are no package that is installed
from gpu.subjects import blip2  # noqa: E402
from gpu.traces import dump_trace, load_trace, record_generation  # noqa: E402

TOKENS = 3  # of the recorded generation
TRACE = "blip2_tiny_generate.npz.gz"
Part = Callable[[], Mapping[str, object]]


class Outcomes:
    """A plugin of pytest that keeps the result of each test."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, object]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A phase of a test is over; the worst of its three counts."""
        entry = self.tests.setdefault(report.nodeid, {"outcome": report.outcome, "seconds": 0.0})
        entry["seconds"] = float(str(entry["seconds"])) + report.duration
        if report.failed or (report.skipped and entry["outcome"] == "passed"):
            entry["outcome"] = report.outcome
        if report.failed:
            entry["error"] = str(report.longrepr)


def run_tests() -> Mapping[str, object]:
    """The tests of this folder, in this process."""
    outcomes = Outcomes()
    # Plugins that torch or transformers have imported already make pytest warn, which is an error by our settings.
    quiet = ["-W", "default", "-p", "no:cacheprovider", "--tb=short"]
    status = pytest.main([str(_HERE), "-q", "-m", "gpu", *quiet], plugins=[outcomes])
    return {"exit_status": int(status), "tests": outcomes.tests, "failed": int(status) != 0}


def record(path: Path) -> Mapping[str, object]:
    """A trace of a generation of blip2-tiny, written and read again."""
    model, inputs = blip2()
    dump_trace(record_generation(model, inputs, tokens=TOKENS), path)
    events = load_trace(path)
    return {
        "file": path.name,
        "size_bytes": path.stat().st_size,
        "ops": events.host.name.size,
        "ranges": events.ranges.layer.size,
        "launches": events.launches.correlation.size,
        "activities": events.device.name.size,
    }


def run_parts(parts: Mapping[str, Part], path: Path) -> bool:
    """Runs each part and writes what there is after it; whether all of it went well."""
    results: dict[str, object] = {}
    for name, part in parts.items():
        began_s = time.perf_counter()
        try:
            result = dict(part())
        except Exception:  # the parts after it are still of use
            result = {"failed": True, "error": traceback.format_exc()}
        results[name] = {**result, "took_s": time.perf_counter() - began_s}
        path.write_text(json.dumps({"parts": results, "failed": _failed(results)}, indent=1))
    return not _failed(results)


def _failed(results: Mapping[str, object]) -> list[str]:
    return [name for name, result in results.items() if isinstance(result, Mapping) and result.get("failed")]


def main() -> int:
    """Runs everything; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("OUT", "."), "gpu.json")
    parser.add_argument("path", nargs="?", type=Path, default=default, help="where the JSON goes")
    path: Path = parser.parse_args().path
    if not torch.cuda.is_available():
        sys.stderr.write(
            "tests/gpu/run.py needs a CUDA device, and torch finds none; run it on a machine that has one\n"
        )
        return 2
    path.parent.mkdir(parents=True, exist_ok=True)
    parts: Mapping[str, Part] = {
        "machine": machine,
        "trace": lambda: record(path.with_name(TRACE)),
        "tests": run_tests,
        "overheads": overheads,
        "full_forward": full_forward,
    }
    return 0 if run_parts(parts, path) else 1


if __name__ == "__main__":
    sys.exit(main())
