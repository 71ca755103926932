"""One self-contained HTML file: no script, no request, light and dark by the reader's own setting.

The tree collapses by nested ``<details>``, so nothing has to run: the content security policy forbids scripts, network
and frames altogether, and a hostile name could not act even if an escape were missed. A picture is part of the page.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from layerprof import __version__
from layerprof.records import FlopReport, Profile, SweepRecord
from layerprof.report.base import (
    MOST_HTML_CELLS,
    TextRow,
    TextTable,
    evidence_tables,
    flop_tables,
    inert,
    opening_tables,
    to_text,
)
from layerprof.views import Table, families_table, layer_ops_tables, sweep_tables, tree_table

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

_OPEN_DEPTH = 2  # rows above it start open: the model and its parts
_ROOFLINE, _ROOFLINE_ALT = (
    "Roofline of the layers",
    "Achieved FLOP/s of each layer against its FLOPs for each byte, under the device's ceilings; the table Roofline "
    "has the numbers.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture that is part of a page.

    Attributes:
        title: its heading.
        alt: what it shows, in words, for who does not see it.
        png: its bytes.
        test: of the plan that it is of; "" for none.
    """

    title: str
    alt: str
    png: bytes
    test: str = ""

    @property
    def encoded(self) -> str:
        """The bytes as base64."""
        return base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table of the page, with the pictures that stand below it.

    Attributes:
        anchor: that the table of contents leads to.
        table: None where there are pictures alone.
        test: of the plan whose table it is; "" for any other.
        pictures: in order.
    """

    anchor: str
    table: TextTable | None
    test: str = ""
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeLine:
    """A row of the tree with what the template needs to nest it.

    Attributes:
        row: its texts.
        has_children: whether it is the summary of what follows.
        is_open: whether its children are shown at first.
        closes: how many nested levels end after it.
    """

    row: TextRow
    has_children: bool
    is_open: bool
    closes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HtmlRenderer:
    """Renders to one HTML page.

    Attributes:
        draw: the bytes of a PNG that stands below a profile's summary, or None where there is nothing to draw. It is
            inside the page, so that the page stays one file; without ``draw`` no page of a profile has a picture.
        draw_sweep: likewise the pictures of a sweep, each below the tables of the test that it is of.
    """

    draw: Callable[[Profile], bytes | None] | None = None
    draw_sweep: Callable[[SweepRecord], Sequence[Picture]] | None = None

    def profile(self, record: Profile) -> str:
        """All views of a profile; the tree has a line for every layer, the families and their ops fold them."""
        png = None if self.draw is None else self.draw(record)
        pictures = () if png is None else (Picture(title=_ROOFLINE, alt=_ROOFLINE_ALT, png=png),)
        return _page(
            f"Profile of {record.spec.model}",
            _sections(opening_tables(record), first=pictures),
            tree=tree_table(record, is_folded=False),
            folds=layer_ops_tables(record),
            after=(families_table(record), *evidence_tables(record)),
        )

    def sweep(self, record: SweepRecord) -> str:
        """All tables of the plan's tests with their pictures, or the plan's one table."""
        pictures = () if self.draw_sweep is None else self.draw_sweep(record)
        sections = _sections(sweep_tables(record, most_rows=MOST_HTML_CELLS))
        return _page(
            f"Sweep of {record.plan.model}", _illustrated(sections, pictures), has_contents=bool(record.plan.tests)
        )

    def flop_report(self, record: FlopReport) -> str:
        """Totals, layers and ops."""
        return _page("FLOP count", _sections(flop_tables(record)))


def _sections(tables: Sequence[Table], *, first: Sequence[Picture] = ()) -> tuple[Section, ...]:
    """The tables that have rows, the pictures below the first of them."""
    filled = [table for table in tables if table.rows]
    return tuple(
        Section(
            anchor=f"table-{place}",
            table=to_text(table),
            test=table.test,
            pictures=tuple(first) if place == 1 else (),
        )
        for place, table in enumerate(filled, start=1)
    )


def _illustrated(sections: Sequence[Section], pictures: Sequence[Picture]) -> tuple[Section, ...]:
    """The sections with each test's pictures below its first tables; those of no table stand at the end."""
    left = list(pictures)
    found: list[Section] = []
    tests = [*(section.test for section in sections), ""]
    for section, (test, following) in zip(sections, pairwise(tests), strict=True):
        own = [picture for picture in left if test and picture.test == test and following != test]
        left = [picture for picture in left if picture not in own]
        found.append(replace(section, pictures=(*section.pictures, *own)))
    return (*found, Section(anchor="figures", table=None, pictures=tuple(left))) if left else tuple(found)


def _page(
    title: str,
    before: Sequence[Section],
    *,
    tree: Table | None = None,
    folds: Sequence[Table] = (),
    after: Sequence[Table] = (),
    has_contents: bool = False,
) -> str:
    tree_text = None if tree is None else to_text(tree)
    return _template().render(
        title=inert(title),
        version=__version__,
        before=before,
        has_contents=has_contents,
        has_pictures=any(section.pictures for section in before),
        tree=tree_text,
        lines=() if tree_text is None else tree_lines(tree_text),
        folds=[to_text(table) for table in folds],
        after=[to_text(table) for table in after if table.rows],
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("layerprof.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["cells_of"] = _cells_of
    return environment.get_template("page.html")


def _cells_of(table: TextTable, row: TextRow) -> Markup:
    """A grid's row, its texts escaped; tables of sweeps have ten thousand, which a template takes seconds for."""
    from markupsafe import Markup, escape

    parts: list[str] = []
    depth = f' style="--depth:{row.depth}"' if row.depth else ""
    for align, cell in zip(table.aligns, row.cells, strict=True):
        share = None if cell.fraction is None else f"{100 * cell.fraction:.1f}"
        bar = "" if share is None else f'<span class="bar"><i style="width:{share}%"></i></span>'
        parts.append(f'<td class="{align}"{depth}>{bar}{escape(cell.text)}</td>')
        depth = ""
    return Markup("".join(parts))  # every part is ours or escaped


def tree_lines(table: TextTable) -> tuple[TreeLine, ...]:
    """The tree's rows in order, each knowing what to open and close; closing rows stand outside the tree."""
    depths = [row.depth for row in table.rows]
    return tuple(
        TreeLine(
            row=row,
            has_children=following > row.depth,
            is_open=row.depth < _OPEN_DEPTH,
            closes=max(0, row.depth - following),
        )
        for row, following in zip(table.rows, (*depths[1:], 0), strict=True)
    )
