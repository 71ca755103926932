"""TensorBoard with the mended plugin, asked by HTTP."""

from __future__ import annotations

import hashlib
import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from viewer_servers import Served, copy_of_cuda_trace, module_events, serving, write_trace

from layerprof.viewer import serve
from layerprof.viewer.plugin.loading import traces_in

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

STATIC = Path(__file__).parent.parent / "layerprof" / "viewer" / "static"
FC1 = "vision_model.encoder.layers.0.mlp.fc1"
HOSTILE = ("<script>alert(1)</script>", "two\nlines", "\u202egnp.exe", "a ] b", "x" * 10_000, "")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    logdir = tmp_path_factory.mktemp("logs")
    copy_of_cuda_trace(logdir)
    write_trace(logdir / "named" / "w.1.pt.trace.json.gz", module_events([FC1]))
    write_trace(logdir / "hostile" / "w.1.pt.trace.json.gz", module_events(HOSTILE))
    (logdir / "cut").mkdir()
    (logdir / "cut" / "w.pt.trace.json").write_text('{"traceEvents": [')
    with serving(logdir) as server:
        yield server


def names_of(nodes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for node in nodes:
        yield node["name"]
        yield from names_of(node["children"])


def test_every_trace_but_the_damaged_is_a_run(served: Served) -> None:
    assert served.await_runs() == ["cuda", "hostile", "named"]


def test_a_trace_with_modules_and_memory_has_their_views(served: Served) -> None:
    views = served.asked("views", run="named")

    assert views == ["Overview", "Operator", "Trace", "Memory", "Module"]


def test_modules_have_their_qualified_names(served: Served) -> None:
    view = served.asked("module", run="named", worker="w", span="1")

    assert FC1 in list(names_of(view["data"]))


def test_the_times_of_modules_have_their_unit_and_no_digits_beyond_nanoseconds(served: Served) -> None:
    view = served.asked("module", run="named", worker="w", span="1")

    heads = [column["name"] for column in view["columns"]]
    assert heads == ["Module Name", "Occurences", "Operators", "Host Total Time (us)", "Host Self Time (us)"]
    times = [node["host_duration"] for node in (*view["data"], *view["data"][0]["children"])]
    assert times == [round(time, 3) for time in times]


def test_modules_of_a_trace_with_kernels_have_times_of_the_device(served: Served) -> None:
    view = served.asked("module", run="cuda", worker="worker", span="default")

    assert [column["name"] for column in view["columns"]][-2:] == ["Device Total Time (us)", "Device Self Time (us)"]
    assert view["data"][0]["device_duration"] > 0


def test_rows_of_modules_are_numbered_apart(served: Served) -> None:
    page, _ = served.page("index.html")

    assert b"key:n++,name:e.name,occurences" not in page
    assert page.count(b"key:wN.rows=(wN.rows||0)+1,name:e.name,occurences") == 1


def test_device_times_of_a_cuda_trace_are_those_of_its_kernels(served: Served) -> None:
    table = served.asked("operation/table", run="cuda", worker="worker", span="default", group_by="Operation")
    kernels = served.asked("kernel/table", run="cuda", worker="worker", span="default", group_by="Kernel")

    durations = {row["name"]: row["device_self_duration"] for row in table["data"]}
    names = [column["name"] for column in kernels["data"]["columns"]]
    total = sum(row[names.index("Total Duration (us)")] for row in kernels["data"]["rows"])
    assert durations["aten::addmm"] > 0
    assert sum(durations.values()) == pytest.approx(total, rel=0.01)  # copies and fills are no kernels


def test_a_cuda_trace_has_the_steps_of_the_host_alone(served: Served) -> None:
    overview = served.asked("overview", run="cuda", worker="worker", span="default")

    assert [row[0] for row in overview["steps"]["rows"]] == ["1", "2"]


def test_the_installed_plugin_shows_no_device_time(tmp_path: Path) -> None:
    trace = copy_of_cuda_trace(tmp_path)
    script = f"""
import logging, tempfile
logging.disable()
from torch_tb_profiler.profiler.data import RunProfileData
from torch_tb_profiler.profiler.trace import EventTypeMap
del EventTypeMap["gpu_user_annotation"]
data = RunProfileData.parse("w", None, {str(trace)!r}, tempfile.mkdtemp())
print(sum(op.device_duration for op in data.op_list_groupby_name))
"""

    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)

    assert float(done.stdout) == 0


def test_hostile_names_come_through_as_they_are(served: Served) -> None:
    view = served.asked("module", run="hostile", worker="w", span="1")

    assert set(HOSTILE) <= set(names_of(view["data"]))


@pytest.mark.parametrize("name", ["index.html", "trace_embedding.html"])
def test_a_page_loads_nothing_from_elsewhere(served: Served, name: str) -> None:
    content, headers = served.page(name)

    assert b'src="https://' not in content
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_main_page_runs_no_script_but_its_own(served: Served) -> None:
    _, headers = served.page("index.html")

    policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert "unsafe" not in policy["script-src"]
    assert policy["script-src"].count("'sha256-") == 1  # the page has one script in it


@pytest.mark.parametrize(
    ("name", "kind"),
    [("charts.js", "text/javascript"), ("charts.css", "text/css"), ("webcomponents.min.js", "text/javascript")],
)
def test_a_local_file_has_its_type(served: Served, name: str, kind: str) -> None:
    content, headers = served.page(name)

    assert headers["Content-Type"].startswith(kind)
    assert len(content) > 1000


def test_the_charts_are_all_of_their_parts(served: Served) -> None:
    content, _ = served.page("charts.js")

    parts = sorted((STATIC / "charts").glob("*.js"))
    assert len(parts) > 5
    assert all(part.read_bytes() in content for part in parts)


def test_the_charts_name_no_other_machine() -> None:
    for part in (STATIC / "charts").iterdir():
        text = part.read_text().replace("http://www.w3.org/2000/svg", "")

        assert "//" not in text.replace("// ", "").replace("//\n", ""), part.name
        assert "eval(" not in text
        assert "innerHTML" not in text


def test_the_web_components_are_those_that_were_published() -> None:
    content = (STATIC / "webcomponents" / "webcomponents.min.js").read_bytes()

    digest = hashlib.sha256(content).hexdigest()
    assert digest == "3858273ab39b299e7c2227f0830534afafaabf4a572c9ea73c2076fecbd8978c"
    assert digest in (STATIC / "README").read_text()
    assert "Redistributions in binary form" in (STATIC / "webcomponents" / "LICENSE").read_text()


def test_tensorboard_itself_is_served(served: Served) -> None:
    content, _ = served.get("/")

    assert b"<title>TensorBoard</title>" in content


@pytest.mark.slow
def test_a_trace_of_many_events_is_read_before_its_view_is_asked_for(tmp_path: Path) -> None:
    names = [f"model.layers.{i // 10}.block.{i % 10}" for i in range(1000)]
    events = module_events(names, steps=1, ops_each=26)
    write_trace(tmp_path / "large" / "w.1.pt.trace.json.gz", events)

    with serving(tmp_path) as server:
        view = server.asked("module", run="large", worker="w", span="1")

    assert len(events) > 29_000
    assert set(names) <= set(names_of(view["data"]))


@pytest.mark.slow
def test_reading_ends_with_the_server(tmp_path: Path) -> None:
    write_trace(tmp_path / "run" / "w.1.pt.trace.json.gz", module_events([FC1], ops_each=20_000))
    others = set(multiprocessing.active_children())

    with serve(tmp_path, port=0) as server:
        is_loading = Served(server.url).asked("runs")["loading"]

    assert is_loading
    assert set(multiprocessing.active_children()) <= others
    for thread in threading.enumerate():
        if "_load_run" in thread.name:
            thread.join(timeout=20)
            assert not thread.is_alive()


def test_traces_of_a_worker_are_counted_in_the_order_of_their_times(tmp_path: Path) -> None:
    for name in ("a.9.pt.trace.json", "a.10.pt.trace.json.gz", "b.5.pt.trace.json", "c.pt.trace.json", "d.json"):
        (tmp_path / name).touch()

    found = {name: (worker, position) for worker, position, name in traces_in(str(tmp_path))}

    assert found == {
        "a.10.pt.trace.json.gz": ("a", 2),
        "a.9.pt.trace.json": ("a", 1),
        "b.5.pt.trace.json": ("b", 1),
        "c.pt.trace.json": ("c", None),
    }
