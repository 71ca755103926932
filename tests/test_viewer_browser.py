"""The pages of the profiler plugin in a browser without a network: nothing is asked for in vain, numbers are real."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from browser import offline_browser, page_of
from viewer_pages import Viewer, expect_text
from viewer_servers import Served, copy_of_cuda_trace, module_events, serving, write_trace

from layerprof.boards.base import EVENT_FILE, event_file, scalars

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

FC1 = "vision_model.encoder.layers.0.mlp.fc1"
FC2 = "vision_model.encoder.layers.0.mlp.fc2"
SCRIPT = "<img src=x onerror=window.broken=1><script>window.broken=1</script>"
MANY = 1_000  # modules of a trace with more events than a forward of BLIP-2


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    logdir = tmp_path_factory.mktemp("logs")
    copy_of_cuda_trace(logdir)
    write_trace(logdir / "named" / "w.1.pt.trace.json.gz", module_events([FC1, FC2], ops_each=2))
    write_trace(logdir / "other" / "w.1.pt.trace.json.gz", module_events([FC1, FC2], ops_each=2))
    write_trace(logdir / "hostile" / "w.1.pt.trace.json.gz", module_events([SCRIPT, "x" * 10_000, "\u202eltr"]))
    names = [f"model.layers.{i // 10}.block.{i % 10}" for i in range(MANY)]
    write_trace(logdir / "large" / "w.1.pt.trace.json.gz", module_events(names, steps=1, ops_each=26))
    points = scalars("latency", [(0, 1.0), (1, 1_000.0)])
    (logdir / "named" / EVENT_FILE).write_bytes(event_file(points, wall_time_s=0.0))
    with serving(logdir) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with offline_browser() as launched:
        yield launched


@pytest.fixture
def viewer(served: Served, browser: Browser) -> Iterator[Viewer]:
    with page_of(browser) as (page, complaints):
        yield Viewer(page, complaints, served)
        assert complaints.all() == []


def test_the_overview_shows_steps_and_shares(viewer: Viewer) -> None:
    page = viewer.show("cuda", "Overview")

    expect_text(page, "NVIDIA H200")
    expect_text(page.locator(".lp-table"), "Average Step Time")
    expect_text(page.locator(".lp-legend").last, "CPU Exec")
    labels = page.locator("svg .lp-tick").all_text_contents()
    viewer.keep("overview")
    assert {"0", "200", "1,000"} <= set(labels)  # microseconds of a step
    assert {"1", "2"} <= set(labels)  # steps
    assert page.locator(".lp-table tbody tr").count() == 8  # of a trace with a device: seven parts and their sum


def test_the_parts_of_a_step_are_all_in_sight_and_steps_apart(viewer: Viewer) -> None:
    page = viewer.show("cuda", "Overview")
    page.locator("rect.lp-bar").first.wait_for()

    box = page.locator(".lp-table-box")
    hidden = box.evaluate("box => box.scrollHeight - box.clientHeight")
    edges = page.locator("rect.lp-bar").evaluate_all(
        "bars => bars.map((bar) => [bar.x, bar.width].map((n) => n.baseVal.value))"
    )

    (first, width), (second, _) = sorted(map(tuple, edges[:2]))
    assert hidden <= 2  # borders
    assert second - (first + width) == pytest.approx(2, abs=0.01)


def test_a_part_of_a_step_tells_its_time(viewer: Viewer) -> None:
    page = viewer.show("cuda", "Overview")
    page.locator("rect.lp-bar").first.wait_for()

    page.locator("rect.lp-bar").first.hover()

    tip = page.locator(".lp-tip").inner_text()
    assert "Kernel: 414.5us" in tip
    assert "<" not in tip  # markup is drawn, not shown


def test_the_operators_have_device_times(viewer: Viewer) -> None:
    page = viewer.show("cuda", "Operator")

    expect_text(page, "Device Self Time (us)")
    row = page.locator("tr", has_text="aten::addmm").first
    row.wait_for()
    page.locator(".lp-pie").first.locator(".lp-entry").first.hover()
    expect_text(page.locator(".lp-tip"), "aten::addmm")
    viewer.keep("operator")
    assert "522" in row.inner_text()
    assert page.locator(".lp-pie").count() == 4


def test_the_kernels_are_shown(viewer: Viewer) -> None:
    page = viewer.show("cuda", "GPU Kernel")

    expect_text(page, "Tensor Cores Utilization")
    expect_text(page.locator("table"), "reduce_kernel")
    viewer.keep("kernel")
    assert page.locator(".lp-slice").count() >= 4


def test_the_trace_is_drawn(viewer: Viewer) -> None:
    page = viewer.show("named", "Trace")

    frame = page.frame_locator("iframe")
    frame.locator("tr-ui-timeline-view").wait_for()
    frame.locator(".process-track-header, tr-ui-b-heading").first.wait_for()
    viewer.keep("trace")


def test_the_memory_curve_can_be_zoomed_and_reset(viewer: Viewer) -> None:
    page = viewer.show("named", "Memory")
    expect_text(page, "Peak Memory Usage")
    picture = page.locator(".lp-svg").first
    box = picture.bounding_box()
    assert box is not None
    whole = picture.locator(".lp-tick").all_text_contents()

    with page.expect_response(lambda response: "start_ts" in response.url):
        page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2, steps=4)
        page.mouse.up()
    expect_text(page, "right-click shows all")
    zoomed = page.locator(".lp-svg").first.locator(".lp-tick").all_text_contents()
    viewer.keep("memory-zoomed")
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2, button="right")
    expect_text(page, "drag to zoom")

    assert zoomed != whole
    assert page.locator(".lp-svg").first.locator(".lp-tick").all_text_contents() == whole


def test_a_row_of_memory_marks_its_points(viewer: Viewer) -> None:
    page = viewer.show("named", "Memory")
    row = page.locator("tbody tr", has_text=f"op of {FC1}").first
    row.wait_for()
    viewer.keep("memory")
    curves = page.locator(".lp-legend").first.locator(".lp-entry").all_inner_texts()

    row.hover()

    page.locator("circle.lp-chosen").first.wait_for(state="attached")
    assert curves == ["Allocated (MB)"]  # what is reserved is not known of a CPU


def test_the_modules_have_qualified_names(viewer: Viewer) -> None:
    page = viewer.show("named", "Module")
    page.locator("button[aria-label='Expand row']").first.click()

    expect_text(page.locator("table"), FC1)
    page.locator("canvas.lp-canvas").wait_for()
    viewer.keep("module")
    assert "rows" in (page.locator("canvas.lp-canvas").get_attribute("aria-label") or "")


def test_spans_tell_their_names_and_can_be_zoomed(viewer: Viewer) -> None:
    page = viewer.show("named", "Module")
    canvas = page.locator("canvas.lp-canvas")
    canvas.wait_for()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None

    page.mouse.move(box["x"] + 30, box["y"] + 10)
    expect_text(page.locator(".lp-tip"), "CallTreeRoot Duration")
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 10, steps=3)
    page.mouse.up()

    expect_text(page, "right-click shows all")


def test_names_of_a_trace_do_not_run(viewer: Viewer) -> None:
    page = viewer.show("hostile", "Overview")
    expect_text(page, "Average Step Time")

    for view in ("Operator", "Memory", "Module"):
        viewer.choose(1, view)
        page.get_by_text(SCRIPT).locator("visible=true").first.wait_for()  # the name itself, as a text
        viewer.keep(f"hostile-{view.lower()}")

    # What a picture of that name would ask for was asked for before this page.
    assert page.evaluate("() => fetch(location.href).then(() => window.broken)") is None


def test_two_runs_are_compared(viewer: Viewer) -> None:
    page = viewer.show("named", "Overview")

    page.get_by_text("DIFF").click()
    for menu, name in enumerate(("named", "w", "1", "other", "w", "1")):
        viewer.choose(menu, name)
    page.locator("rect.lp-bar").first.wait_for()
    viewer.keep("diff")

    assert page.locator(".lp-frame").count() == 2  # durations side by side, and what they differ by


def test_a_trace_of_a_whole_forward_is_drawn(viewer: Viewer) -> None:
    page = viewer.show("large", "Module")

    page.locator("canvas.lp-canvas").wait_for()
    viewer.keep("large-module")
    assert f"{MANY * 27 + 3} spans" in (page.locator("canvas.lp-canvas").get_attribute("aria-label") or "")


def test_tensorboard_itself_shows_the_plugin(viewer: Viewer) -> None:
    viewer.page.goto(f"{viewer.served.url}/#pytorch_profiler")

    frame = viewer.page.frame_locator("iframe")
    expect_text(frame.locator("body"), "Views")
    expect_text(frame.locator(".lp-table"), "Average Step Time")
    viewer.keep("tensorboard")


def test_scalars_are_drawn_as_they_are(viewer: Viewer) -> None:
    page = viewer.tab("timeseries")

    expect_text(page, "Ignore outliers in chart scaling")
    viewer.keep("timeseries")
    assert not page.locator("mat-checkbox", has_text="Ignore outliers").locator("input").is_checked()
    assert page.locator(".scalars-smoothing input").last.input_value() == "0"

    page = viewer.tab("scalars")
    box = page.locator("#outlier-checkbox, paper-checkbox:has-text('Ignore outliers')").first
    box.wait_for()
    viewer.keep("scalars")
    assert box.get_attribute("aria-checked") == "false"
    assert page.locator("tf-smoothing-input input").first.input_value() == "0"
