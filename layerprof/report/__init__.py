"""Records to text, Markdown, HTML and CSV: one file a format, all with the same tables and the same scales.

Nothing here measures or imports torch. Formats are loaded on first use, so that a text table never pays for a template
engine or for pandas. Data frames are in ``layerprof.report.frame``, plots in ``layerprof.report.plots``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from layerprof.errors import InputError
from layerprof.records import Profile
from layerprof.report.base import Record, Renderer, render_with

Format = Literal["text", "markdown", "html", "csv"]


def render(record: Record, format: Format = "text") -> str:
    """The record in one of the known formats.

    Args:
        record: a profile, a sweep or a FLOP report.
        format: ``text`` (for terminals, without colours), ``markdown``, ``html`` (one self-contained file) or ``csv``.

    Raises:
        InputError: where the format or the kind of record is not known.
    """
    if format not in _RENDERERS:
        raise InputError(f"unknown format {format!r}; the known formats are {', '.join(_RENDERERS)}")
    return render_with(_RENDERERS[format](), record)


def _text() -> Renderer:
    from layerprof.report.text import TextRenderer

    return TextRenderer()


def _markdown() -> Renderer:
    from layerprof.report.markdown import MarkdownRenderer

    return MarkdownRenderer()


def _html() -> Renderer:
    from layerprof.report.html import HtmlRenderer

    return HtmlRenderer(draw=_roofline)


def _roofline(profile: Profile) -> bytes | None:
    from layerprof.views import has_roofline

    if not has_roofline(profile):
        return None
    from layerprof.report.roofline import roofline_png

    return roofline_png(profile)


def _csv() -> Renderer:
    from layerprof.report.csv import CsvRenderer

    return CsvRenderer()


_RENDERERS: dict[str, Callable[[], Renderer]] = {
    "text": _text,
    "markdown": _markdown,
    "html": _html,
    "csv": _csv,
}

__all__ = ["Format", "Record", "Renderer", "render"]
