"""TensorBoard over a folder for the tests of the viewer, and what its profiler plugin answers."""

from __future__ import annotations

import gzip
import json
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from layerprof.viewer import serve

CUDA_TRACE = Path(__file__).parent / "data" / "cuda.pt.trace.json.gz"
DEADLINE_S = 120.0
_POLL_S = 0.05
_STEP_US = 1_000
_BLOCK_BYTES = 4 * 2**20

Event = dict[str, Any]


class Served:
    """A TensorBoard that has read its traces."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def get(self, path: str) -> tuple[bytes, Mapping[str, str]]:
        """Content and headers of a path of the server."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=DEADLINE_S) as answer:
            content = answer.read()
            is_packed = answer.headers.get("Content-Encoding") == "gzip"
            return gzip.decompress(content) if is_packed else content, dict(answer.headers)

    def asked(self, route: str, **arguments: str) -> Any:
        """What the profiler plugin answers."""
        content, _ = self.get(f"/data/plugin/pytorch_profiler/{route}?{urllib.parse.urlencode(arguments)}")
        return json.loads(content)

    def page(self, name: str) -> tuple[bytes, Mapping[str, str]]:
        """A file of the profiler plugin."""
        return self.get(f"/data/plugin/pytorch_profiler/{name}")

    def await_runs(self) -> list[str]:
        """The runs of the profiler plugin, once it has read all of them."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            answer = self.asked("runs")
            if not answer["loading"]:
                return list(answer["runs"])
            time.sleep(_POLL_S)
        raise TimeoutError("the traces were not read in time")


@contextmanager
def serving(logdir: Path) -> Iterator[Served]:
    """A server over a folder, at any port, that has read the traces in it."""
    with serve(logdir, port=0) as server:
        served = Served(server.url)
        served.await_runs()
        yield served


def copy_of_cuda_trace(logdir: Path, run: str = "cuda") -> Path:
    """The stored trace of CUDA steps as a run of the folder."""
    target = logdir / run / "worker.pt.trace.json.gz"
    target.parent.mkdir(parents=True)
    return Path(shutil.copy(CUDA_TRACE, target))


def write_trace(path: Path, events: Sequence[Event]) -> Path:
    """A trace for the plugin."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(json.dumps({"schemaVersion": 1, "traceEvents": list(events)}).encode())
    return path


def module_events(names: Sequence[str], *, steps: int = 2, ops_each: int = 1) -> list[Event]:
    """Steps of a root and a module for each name, one after the other, with operators and memory in each."""
    events: list[Event] = []
    for step in range(steps):
        start = step * 2 * _STEP_US
        events.append(_span("user_annotation", f"ProfilerStep#{step + 1}", start, _STEP_US))
        root = len(events)
        events.append(_module("Root", start + 10, _STEP_US - 20, identity=root, parent=None, module=0))
        length = (_STEP_US - 40) / max(1, len(names))
        for position, name in enumerate(names):
            at = start + 20 + position * length
            identity = len(events)
            events.append(_module(name, at, length * 0.9, identity=identity, parent=root, module=position + 1))
            events += _ops(at, length * 0.8, ops_each, name)
    return events


def _ops(start: float, length: float, count: int, name: str) -> list[Event]:
    each = length / max(1, count)
    spans = [_span("cpu_op", f"op of {name}", start + i * each, each * 0.9) for i in range(count)]
    sizes = {"Device Type": 0, "Device Id": -1, "Addr": 64, "Total Allocated": _BLOCK_BYTES, "Total Reserved": 0}
    memory = [
        {"ph": "i", "s": "t", "name": "[memory]", "pid": 1, "tid": 1, "ts": start + each * share, "args": sizes | given}
        for share, given in ((0.1, {"Bytes": _BLOCK_BYTES}), (0.5, {"Bytes": -_BLOCK_BYTES, "Total Allocated": 0}))
    ]
    return spans + memory


def _span(category: str, name: str, start: float, length: float) -> Event:
    return {"ph": "X", "cat": category, "name": name, "pid": 1, "tid": 1, "ts": start, "dur": length, "args": {}}


def _module(name: str, start: float, length: float, *, identity: int, parent: int | None, module: int) -> Event:
    arguments = {"Python id": identity, "Python parent id": parent, "Python module id": module}
    return _span("python_function", f"nn.Module: {name}", start, length) | {"args": arguments}
