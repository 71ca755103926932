"""The files that the mended pages load: the charts, joined from their parts, and the web components."""

from __future__ import annotations

import functools
from pathlib import Path

from layerprof.viewer.base import WEB_COMPONENTS

_STATIC = Path(__file__).parent.parent / "static"


@functools.cache
def charts_script() -> bytes:
    """The charts: their parts in the order of the names."""
    return b"\n".join(part.read_bytes() for part in sorted((_STATIC / "charts").glob("*.js")))


@functools.cache
def charts_style() -> bytes:
    """The style sheet of the charts."""
    return (_STATIC / "charts" / "charts.css").read_bytes()


@functools.cache
def web_components_script() -> bytes:
    """The polyfill that the trace viewer is built on, as its authors published it."""
    return (_STATIC / "webcomponents" / WEB_COMPONENTS).read_bytes()
