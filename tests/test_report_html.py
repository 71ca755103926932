"""The HTML page: one well-formed file that loads nothing, runs nothing, and holds every layer."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import pytest
from report_phases import hostile_profile, rich_profile
from report_records import batch_sweep, flop_report, many_blocks, profile_of, two_blocks
from report_roofs import blocks_under_roof

from layerprof.report import Record, render
from layerprof.report.base import to_text
from layerprof.report.html import tree_lines
from layerprof.views import tree_table

VOID = {"meta", "link", "br", "img", "input"}
LOADING_ATTRIBUTES = {"src", "href", "srcset", "action", "data", "background", "poster"}


class Page(HTMLParser):
    """Collects tags, attributes and the tree's names, and fails on a tag that closes what is not open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.most_details = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.most_details = max(self.most_details, self.open.count("details"))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


RECORDS: tuple[Record, ...] = (
    profile_of(two_blocks()),
    rich_profile(),
    hostile_profile(),
    blocks_under_roof(),
    batch_sweep(),
    flop_report(),
)
NAMES = ("profile", "rich", "hostile", "roof", "sweep", "flops")


@pytest.mark.parametrize("record", RECORDS, ids=NAMES)
def test_every_tag_that_opens_closes(record: Record) -> None:
    assert Page(render(record, "html")).open == []


@pytest.mark.parametrize("record", RECORDS, ids=NAMES)
def test_nothing_is_loaded_and_nothing_runs(record: Record) -> None:
    text = render(record, "html")

    page = Page(text)
    loaded = [value or "" for name, value in page.attributes if name in LOADING_ATTRIBUTES]
    assert all(value.startswith("data:image/png;base64,") for value in loaded)  # in the page itself
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text


def test_the_policy_forbids_the_network() -> None:
    policy = dict(re.findall(r'http-equiv="(.*?)" content="(.*?)"', render(profile_of(two_blocks()), "html")))

    assert policy["Content-Security-Policy"].startswith("default-src 'none'")
    assert "script-src" not in policy["Content-Security-Policy"]


def test_the_roofline_is_a_picture_inside_the_page_which_allows_no_other_kind() -> None:
    text = render(blocks_under_roof(), "html")

    pictures = [value for name, value in Page(text).attributes if name == "src"]
    encoded = str(pictures[0]).removeprefix("data:image/png;base64,")
    assert len(pictures) == 1
    assert base64.b64decode(encoded, validate=True).startswith(b"\x89PNG")
    assert "img-src data:;" in text


def test_without_a_roofline_there_is_no_picture_and_no_leave_for_one() -> None:
    text = render(profile_of(two_blocks()), "html")

    assert "img" not in Page(text).tags
    assert "img-src" not in text


def test_light_and_dark_follow_the_reader() -> None:
    assert "prefers-color-scheme: dark" in render(profile_of(two_blocks()), "html")


def test_every_layer_has_a_line_in_the_tree() -> None:
    profile = profile_of(many_blocks(200))

    text = render(profile, "html")

    lines = re.findall(r'<(?:summary|div) class="line body">', text)
    assert len(lines) == len(profile.layers) == 1402


def test_a_layer_is_nested_as_deep_as_its_path() -> None:
    profile = profile_of(two_blocks())

    page = Page(render(profile, "html"))

    parents = {layer.path.rpartition(".")[0] for layer in profile.layers if layer.path}
    assert page.most_details == max(layer.depth for layer in profile.layers)
    assert page.tags.count("details") == len(parents)


def test_the_ops_of_a_family_of_layers_fold_out_and_are_closed_at_first() -> None:
    text = render(rich_profile(), "html")

    folds = re.findall(r'<details class="fold"><summary>(.*?)</summary>', text)
    assert folds == ["vision", "lm.layers.*.fc (2×)"]
    assert "aten::addmm_kernel" in text


def test_without_ops_nothing_folds_out_but_the_tree() -> None:
    assert "Ops by layer" not in render(profile_of(two_blocks()), "html")


def test_what_the_tree_opens_it_closes() -> None:
    lines = tree_lines(to_text(tree_table(profile_of(many_blocks(3)), is_folded=False)))

    assert sum(line.has_children for line in lines) == sum(line.closes for line in lines)


def test_a_bar_is_as_wide_as_its_share() -> None:
    widths = [float(width) for width in re.findall(r"width:([\d.]+)%", render(profile_of(two_blocks()), "html"))]

    assert 100.0 in widths  # the step
    assert all(0.0 <= width <= 100.0 for width in widths)


def test_a_notebook_shows_the_same_page() -> None:
    profile = profile_of(two_blocks())

    assert profile._repr_html_() == render(profile, "html")
