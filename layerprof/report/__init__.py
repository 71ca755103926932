"""Records to text, Markdown, HTML, CSV, JSON and raw figures: one file a format, with the same tables and scales.

Nothing here measures or imports torch. Formats are loaded on first use, so that a text table never pays for a template
engine or for pandas. Data frames are in ``layerprof.report.frame``, plots in ``layerprof.report.plots``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from layerprof.errors import InputError
from layerprof.records import Profile, SweepRecord
from layerprof.report.base import Record, Renderer, render_with, with_analysis

if TYPE_CHECKING:
    from layerprof.report.html import Picture

Format = Literal["text", "markdown", "html", "csv", "json", "raw"]


def render(record: Record, format: Format = "text") -> str:
    """The record in one of the known formats.

    Args:
        record: a profile, a sweep or a FLOP report.
        format: ``text`` (for terminals, without colours), ``markdown``, ``html`` (one self-contained file) or ``csv``;
            of a sweep also ``json`` (its rows and findings, for other programs) or ``raw`` (a block of figures a cell).
            The findings of a sweep of several tests are computed where the record has none.

    Raises:
        InputError: where the format or the kind of record is not known, or the format is of sweeps and it is none.
    """
    if format not in _RENDERERS:
        raise InputError(f"unknown format {format!r}; the known formats are {', '.join(_RENDERERS)}")
    return render_with(_RENDERERS[format](), record if format in _BARE else with_analysis(record))


def _text() -> Renderer:
    from layerprof.report.text import TextRenderer

    return TextRenderer()


def _markdown() -> Renderer:
    from layerprof.report.markdown import MarkdownRenderer

    return MarkdownRenderer()


def _html() -> Renderer:
    from layerprof.report.html import HtmlRenderer

    return HtmlRenderer(draw=_roofline, draw_sweep=_sweep_pictures)


def _roofline(profile: Profile) -> bytes | None:
    from layerprof.views import has_roofline

    if not has_roofline(profile):
        return None
    from layerprof.report.roofline import roofline_png

    return roofline_png(profile)


def _sweep_pictures(record: SweepRecord) -> Sequence[Picture]:
    """The figures of a plan of tests; a plan that is one product has its plot in a file of its own."""
    if not record.plan.tests:
        return ()
    from layerprof.report.html import Picture
    from layerprof.report.plots import figure_png, sweep_plots

    return [
        Picture(
            title=plot.title,
            alt=f"{plot.title}; the tables of the test {plot.test} have the numbers.",
            png=figure_png(plot.figure),
            test=plot.test,
        )
        for plot in sweep_plots(record)
    ]


def _csv() -> Renderer:
    from layerprof.report.csv import CsvRenderer

    return CsvRenderer()


def _json() -> Renderer:
    from layerprof.report.json import JsonRenderer

    return JsonRenderer()


def _raw() -> Renderer:
    from layerprof.report.raw import RawRenderer

    return RawRenderer()


_BARE = ("csv", "raw")  # which show what was measured and nothing that was made of it
_RENDERERS: dict[str, Callable[[], Renderer]] = {
    "text": _text,
    "markdown": _markdown,
    "html": _html,
    "csv": _csv,
    "json": _json,
    "raw": _raw,
}

__all__ = ["Format", "Record", "Renderer", "render"]
