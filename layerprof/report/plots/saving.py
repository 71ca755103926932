"""Figures as files and as bytes; the same figure gives the same bytes."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from layerprof.errors import InputError
from layerprof.report.base import without_glyph_warnings

_SUFFIXES = (".png", ".svg")
_FILE_DPI = 150
_PAGE_DPI = 110  # of a picture inside a page, where it is shown at the page's width


@without_glyph_warnings()
def save_figure(figure: Figure, path: str | Path) -> Path:
    """Writes the figure as PNG or SVG, by the path's suffix; the same figure gives the same bytes.

    Returns:
        The path that was written.

    Raises:
        InputError: where the suffix is neither ``.png`` nor ``.svg``.
    """
    target = Path(path)
    if target.suffix not in _SUFFIXES:
        raise InputError(f"cannot save a figure as {target.suffix or 'a file without a suffix'!r}; use .png or .svg")
    metadata = {"Software": None} if target.suffix == ".png" else {"Date": None, "Creator": None}
    with matplotlib.rc_context({"svg.hashsalt": "layerprof"}):  # else the ids in an SVG are random
        figure.savefig(target, dpi=_FILE_DPI, metadata=metadata)
    return target


@without_glyph_warnings()
def figure_png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG that a page can hold."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_PAGE_DPI, metadata={"Software": None})
    return stream.getvalue()
