"""What TensorBoard answers where its own answers are mended: all scalars, plain settings, times to the nanosecond."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from viewer_servers import DEADLINE_S, Served, module_events, serving, write_trace

from layerprof.boards.base import EVENT_FILE, event_file, scalars
from layerprof.viewer.settings import SETTINGS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

LAYERS = 1_021  # more than TensorBoard keeps of a tag by itself
DIFF = {"run": "a", "worker": "w", "span": "1", "exp_run": "b", "exp_worker": "w", "exp_span": "1"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    logdir = tmp_path_factory.mktemp("logs")
    names = ["conv", "norm", "head"]
    write_trace(logdir / "a" / "w.1.pt.trace.json.gz", module_events(names, ops_each=7))
    write_trace(logdir / "b" / "w.1.pt.trace.json.gz", module_events(names, ops_each=11))
    points = scalars("latency", ((step, float(step)) for step in range(LAYERS)))
    (logdir / "a" / EVENT_FILE).write_bytes(event_file(points, wall_time_s=0.0))
    with serving(logdir) as server:
        yield server


def floats_of(answer: Any) -> Iterator[float]:
    if isinstance(answer, float):
        yield answer
    elif isinstance(answer, list | dict):
        for value in answer.values() if isinstance(answer, dict) else answer:
            yield from floats_of(value)


def await_tags(served: Served) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while b"latency" not in served.get("/data/plugin/scalars/tags")[0]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_curve_has_all_of_its_layers(served: Served) -> None:
    await_tags(served)

    content, _ = served.get("/data/plugin/scalars/scalars?run=a&tag=latency")

    assert [step for _, step, _ in json.loads(content)] == list(range(LAYERS))


def test_nothing_is_smoothed_or_cut_off_unless_somebody_asks_for_it(served: Served) -> None:
    script = served.get("/index.js")[0].decode()

    for piece, (count, in_its_place) in SETTINGS.items():
        assert piece not in script
        assert script.count(in_its_place) == count


@pytest.mark.parametrize("route", ["diff", "diffnode"])
def test_differences_have_no_digits_beyond_nanoseconds(served: Served, route: str) -> None:
    times = list(floats_of(served.asked(route, **DIFF)))

    assert len(times) > 10
    assert times == [round(time_us, 3) for time_us in times]


def test_a_node_that_is_not_there_is_not_found(served: Served) -> None:
    with pytest.raises(OSError, match="404"):
        served.asked("diffnode", path="0-99", **DIFF)


def test_the_page_rounds_the_differences_of_times(served: Served) -> None:
    page = served.page("index.html")[0].decode()

    assert "deltaHostDuration:o.host_duration-r.host_duration" not in page
    assert page.count("Number((o.host_duration-r.host_duration).toFixed(3))") == 1
