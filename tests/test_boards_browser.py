"""Records in TensorBoard's pages, in a browser without a network: a profile of BLIP-2, and a sweep of five tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from browser import offline_browser, page_of
from reference_sweeps import reference_sweep
from sweep_parts import with_few_cells
from viewer_pages import Viewer, expect_text
from viewer_servers import Served, serving

import layerprof as lp
from layerprof import models, tasks

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

FC1 = "vision_model.encoder.layers.0.mlp.fc1"
_ROWS = """() => Object.fromEntries(Object.values(document.getElementById('trace-viewer').model.processes).map(
    process => [process.name, Object.values(process.threads).map(thread => thread.name)]))"""
ABOVE_FC1 = (
    *("vision_model", "vision_model.encoder", "vision_model.encoder.layers.0"),
    "vision_model.encoder.layers.0.mlp",
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    logdir = tmp_path_factory.mktemp("logs")
    model, task = lp.models.load("blip2-tiny"), tasks.load("sample")
    samples = task.samples(1)
    prompts = [task.prompt(sample) for sample in samples]
    inputs = models.adapter_for(model).inputs(model, tasks.open_images(samples), prompts, models.InputOptions())
    lp.export_tensorboard(lp.profile(model, inputs, warmup=1, repeats=6), logdir / "blip2")
    sweep = with_few_cells(reference_sweep(tmp_path_factory.mktemp("sweep")))
    lp.export_tensorboard(sweep, logdir / "sweep")
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


def test_the_modules_of_blip2_have_their_paths(viewer: Viewer) -> None:
    page = viewer.show("blip2", "Module")
    rows = page.locator(".ant-table-tbody tr")
    rows.first.wait_for()

    for path in ("Blip2ForConditionalGeneration", *ABOVE_FC1):
        row = rows.filter(has=page.locator(f"td:text-is('{path}')"))
        row.locator("button[aria-label='Expand row']").click()

    rows.filter(has=page.locator(f"td:text-is('{FC1}')")).wait_for()
    viewer.keep("blip2-module")
    names = page.locator(".ant-table-tbody tr td:first-child").all_inner_texts()
    shown = [name.strip() for name in names if name.strip()]
    assert len(shown) == len(set(shown))  # each module once, however many are expanded
    assert shown.index(FC1) == shown.index(ABOVE_FC1[-1]) + 1


@pytest.mark.parametrize(
    ("view", "text"),
    [("Overview", "Average Step Time"), ("Operator", "aten::addmm"), ("Memory", "Peak Memory Usage")],
)
def test_a_profile_has_the_other_pages_of_the_plugin(viewer: Viewer, view: str, text: str) -> None:
    page = viewer.show("blip2", view)

    expect_text(page, text)
    viewer.keep(f"blip2-{view.lower()}")


def test_a_profile_has_its_trace_with_the_rows_of_layers(viewer: Viewer) -> None:
    page = viewer.show("blip2", "Trace")

    page.frame_locator("iframe").locator("tr-ui-timeline-view").wait_for()
    frame = next(frame for frame in page.frames if "trace_embedding" in frame.url)
    frame.wait_for_function("() => (document.getElementById('trace-viewer')?.model?.processes ?? 0) !== 0")
    rows = frame.evaluate(_ROWS)
    assert {"host", "layers"} <= set(rows)
    assert {"steps", "phases", "depth 0", "depth 5"} <= set(rows["layers"])
    viewer.keep("blip2-trace")


def test_a_sweep_is_a_table_of_hyperparameters(viewer: Viewer) -> None:
    page = viewer.tab("hparams")

    for text in ("batch_size", "sdpa_flash", "latency (s)"):
        expect_text(page, text)
    viewer.keep("sweep-hparams")
    page.get_by_text("PARALLEL COORDINATES VIEW").click()
    page.locator("tf-hparams-parallel-coords-view svg").first.wait_for()
    viewer.keep("sweep-parallel-coordinates")


@pytest.mark.parametrize(
    ("tab", "texts"),
    [
        ("scalars", ("batch: by batch_size", "accuracy")),
        ("text", ("settings", "sdpa_flash")),
        ("images", ("sweep/report",)),
        ("timeseries", ("Pinned",)),
    ],
)
def test_records_are_on_tensorboards_own_pages(viewer: Viewer, tab: str, texts: tuple[str, ...]) -> None:
    page = viewer.tab(tab)

    for text in texts:
        expect_text(page, text)
    viewer.keep(f"records-{tab.partition('&')[0]}")


def test_the_layers_of_a_profile_are_charts_behind_the_first_ones(viewer: Viewer) -> None:
    page = viewer.tab("custom_scalars")
    expect_text(page, "time of each step (s)")
    assert page.get_by_text("time by layer (s)").count() == 0  # drawn when it is asked for

    page.locator("tf-category-paginated-view").filter(has_text="by layer").locator("button.heading").click()

    expect_text(page, "time by layer (s)")
    viewer.keep("records-custom_scalars")
