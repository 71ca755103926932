"""The documentation is true: every Python block runs, and every link inside it leads somewhere.

The blocks of one page share a namespace and a fresh working directory, from top to bottom as a reader would type them.
A block after ``<!-- no-run -->`` (it needs a download, or a sweep's time) is compiled only.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

BLOCK = re.compile(
    r"(?P<no_run><!-- no-run -->\n+)?^(?P<indent> *)```python[^\n]*\n(?P<code>.*?)^(?P=indent)```$", re.M | re.S
)
FENCED = re.compile(r"^ *```.*?^ *```$", re.M | re.S)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?P<title>.+)$", re.M)
ELSEWHERE = ("http://", "https://", "mailto:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced piece of Python, padded so that its line numbers are the page's."""

    code: str
    is_run: bool


def blocks_of(text: str) -> list[Block]:
    return [
        Block(
            code="\n" * text.count("\n", 0, match.start("code")) + textwrap.dedent(match["code"]),
            is_run=match["no_run"] is None,
        )
        for match in BLOCK.finditer(text)
    ]


def anchors_of(text: str) -> set[str]:
    """What mkdocs makes of the headings: lower case, words joined by hyphens, punctuation dropped."""
    titles = [match["title"] for match in HEADING.finditer(FENCED.sub("", text))]
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


def dead_links_of(page: Path) -> list[str]:
    dead = []
    for match in LINK.finditer(FENCED.sub("", page.read_text())):
        name, _, anchor = match["target"].partition("#")
        other = page.parent / name if name else page
        if match["target"].startswith(ELSEWHERE):
            continue
        is_generated = other.name == "api.md"  # its anchors come from docstrings; `mkdocs build --strict` checks them
        if not other.exists() or (anchor and not is_generated and anchor not in anchors_of(other.read_text())):
            dead.append(match["target"])
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_block_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}

    for block in blocks_of(page.read_text()):
        program = compile(block.code, str(page), "exec")
        if block.is_run:
            exec(program, namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_internal_link_leads_somewhere(page: Path) -> None:
    assert dead_links_of(page) == []


def test_each_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"[\w-]+\.md", (ROOT / "mkdocs.yml").read_text()))

    assert listed == {page.name for page in PAGES} - {"README.md"}


def test_blocks_are_found_with_their_lines_and_marks() -> None:
    text = (
        "# T\n\n```python\na = 1\n```\n\n<!-- no-run -->\n\n- item\n\n  ```python\n  b = 2\n  ```\n\n```sh\nls\n```\n"
    )

    first, second = blocks_of(text)

    assert first == Block(code="\n\n\na = 1\n", is_run=True)
    assert second.code.strip() == "b = 2"


def test_a_mark_right_before_a_block_keeps_it_from_running() -> None:
    assert [block.is_run for block in blocks_of("<!-- no-run -->\n```python\nx\n```\n\n```python\ny\n```\n")] == [
        False,
        True,
    ]


def test_dead_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One title\n[a](#one-title) [b](#two) [c](page.md#one-title) [d](gone.md) [e](https://x.y/#z)\n")

    assert dead_links_of(page) == ["#two", "gone.md"]
