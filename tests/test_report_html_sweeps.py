"""The page of a plan of several tests: all tables and figures in one file that loads nothing and runs nothing."""

from __future__ import annotations

import dataclasses
import itertools
import re
from html.parser import HTMLParser

import pytest
from reference_sweeps import reference_sweep, small_sweep
from sweep_parts import of_tests, with_few_cells

from layerprof.analysis import analysed
from layerprof.records import AxisValue, FrozenMapping, SweepRecord
from layerprof.report import html, render
from layerprof.report.html import HtmlRenderer, Picture
from layerprof.report.plots import SweepPlot, sweep_plots
from layerprof.views import sweep_tables

MOST_BYTES = 1_000_000
PICTURE = Picture(title="A picture", alt="what it shows", png=b"\x89PNG", test="batch")
HOSTILE = "<script>alert(1)</script><a href=http://evil.example>\u202e"


class Page(HTMLParser):
    """Collects the elements in their order, each with its attributes, and the text of headings and links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.headings: list[str] = []
        self._is_heading = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._is_heading = tag == "h2"
        if self._is_heading:
            self.headings.append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_heading = self._is_heading and tag != "h2"

    def handle_data(self, data: str) -> None:
        if self._is_heading:
            self.headings[-1] += data

    def values(self, tag: str, name: str) -> list[str]:
        return [attributes[name] for found, attributes in self.elements if found == tag and name in attributes]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> SweepRecord:
    return analysed(with_few_cells(reference_sweep(tmp_path_factory.mktemp("sweep"))))


@pytest.fixture(scope="module")
def plots(record: SweepRecord) -> tuple[SweepPlot, ...]:
    return sweep_plots(record)


@pytest.fixture(scope="module")
def text(record: SweepRecord) -> str:
    return render(record, "html")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_every_figure_is_in_the_page_once_with_its_words(plots: tuple[SweepPlot, ...], page: Page) -> None:
    sources, words = page.values("img", "src"), page.values("img", "alt")

    titles = [plot.title for plot in plots]
    assert len(set(sources)) == len(sources) == len(titles)
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert sorted(alt.partition(";")[0] for alt in words) == sorted(titles)


def test_a_figure_stands_below_a_table_of_its_test(plots: tuple[SweepPlot, ...], page: Page) -> None:
    titles = {plot.title: plot.test for plot in plots}
    starts = {"device": "Device", "batch": "Batch", "image_size": "Image", "seq_len": "Seq", "optimization": "Opt"}

    above, found = "", dict[str, str]()
    for heading in page.headings:
        if heading in titles:
            found[heading] = above
        else:
            above = heading

    assert all(found[title].startswith(starts[test]) for title, test in titles.items())
    by_size = next(title for title, test in titles.items() if test == "image_size")
    assert found[by_size] == [heading for heading in page.headings if heading.startswith("Image size")][1]  # both kinds


def test_a_figure_stands_below_a_table_of_its_test_whatever_its_title(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = tuple(
        dataclasses.replace(table, title=f"{place} Device Sequence length")
        for place, table in enumerate(sweep_tables(small_sweep()))
    )
    monkeypatch.setattr(html, "sweep_tables", lambda *_, **__: tables)
    pictures = [dataclasses.replace(PICTURE, title=f"of {test}", test=test) for test in ("seq_len", "batch", "device")]

    page = Page(HtmlRenderer(draw_sweep=lambda _: pictures).sweep(small_sweep()))

    tests = {table.title: table.test for table in tables}
    above = {below: heading for heading, below in itertools.pairwise(page.headings)}
    assert all(tests[above[picture.title]] == picture.test for picture in pictures)


def test_the_words_of_a_figure_without_energy_have_none() -> None:
    bare = of_tests(with_few_cells(small_sweep()), "batch", "optimization")
    cells = tuple(
        dataclasses.replace(
            cell,
            metrics=FrozenMapping({name: value for name, value in cell.metrics.items() if "energy" not in name}),
        )
        for cell in bare.cells
    )

    with_energy, without = (
        Page(render(record, "html")).values("img", "alt") for record in (bare, dataclasses.replace(bare, cells=cells))
    )

    assert any("energy" in alt for alt in with_energy)
    assert len(without) == len(with_energy)
    assert not any("energy" in alt for alt in without)


def test_the_contents_lead_to_every_table(record: SweepRecord, page: Page) -> None:
    anchors, links = page.values("section", "id"), page.values("a", "href")

    assert links == [f"#{anchor}" for anchor in anchors]
    assert len(set(anchors)) == len(anchors) == len(sweep_tables(record))


def test_the_page_loads_nothing_and_runs_nothing(text: str, page: Page) -> None:
    tags = {tag for tag, _ in page.elements}

    assert not {"script", "link", "iframe", "object"} & tags
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "img-src data:;" in text
    assert len(text) < MOST_BYTES


def test_without_something_to_draw_with_there_are_tables_alone(record: SweepRecord) -> None:
    page = Page(text := HtmlRenderer().sweep(record))

    assert "img" not in {tag for tag, _ in page.elements}
    assert "img-src" not in text
    assert len(page.headings) == len(sweep_tables(record))


def test_a_figure_of_a_test_without_a_table_stands_at_the_end() -> None:
    stray = dataclasses.replace(PICTURE, test="another")

    page = Page(HtmlRenderer(draw_sweep=lambda _: [stray, PICTURE]).sweep(small_sweep()))

    assert page.headings[-1] == stray.title
    assert page.headings.count(PICTURE.title) == 2
    assert "#figures" in page.values("a", "href")
    assert "figures" in page.values("section", "id")


def test_a_picture_below_a_table_is_named_in_the_contents() -> None:
    text = HtmlRenderer(draw_sweep=lambda _: [PICTURE]).sweep(small_sweep())

    (entry,) = re.findall(r"<li><a href=[^>]*>([^<]*)</a> <span class=\"soft\">with 1 figure</span>", text)
    assert entry == "Batch size, as published"


def test_hostile_names_stay_text() -> None:
    bare = small_sweep()
    hostile = tuple(
        dataclasses.replace(cell, axes=FrozenMapping[AxisValue]({**cell.axes, "dataset": f"{HOSTILE}{place % 3}"}))
        for place, cell in enumerate(bare.cells)
    )
    plan = dataclasses.replace(bare.plan, model=HOSTILE)
    picture = dataclasses.replace(PICTURE, title=HOSTILE, alt=f'"{HOSTILE}')

    text = HtmlRenderer(draw_sweep=lambda _: [picture]).sweep(dataclasses.replace(bare, plan=plan, cells=hostile))

    page = Page(text)
    assert "script" not in {tag for tag, _ in page.elements}
    assert all(link.startswith("#") for link in page.values("a", "href"))
    assert page.values("img", "alt") == [picture.alt]
