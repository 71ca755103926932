"""The plugin's pages with local files in the place of what they load from the web, and what a page may load at all."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from pathlib import Path

import torch_tb_profiler

from layerprof.viewer.base import REPLACED

_HEAD = '<head><link rel="icon" href="data:,">'  # else a browser asks for an icon that TensorBoard does not have
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)

# The trace viewer is one page of many: a polyfill loads it and hands its scripts on as data: addresses, and it makes
# its workers from blobs. In its frame stands nothing but what it draws from the trace.
_OF_TRACE_VIEWER = "'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
_TRACE_PAGES = frozenset({"trace_embedding.html", "trace_viewer_full.html"})


@functools.cache
def mended_page(name: str) -> str:
    """A page of the installed plugin, with its address on the web replaced, and what is wrong in it."""
    page = (Path(torch_tb_profiler.__file__).parent / "static" / name).read_text(encoding="utf-8")
    if name not in REPLACED:
        return page
    for piece, in_its_place in REPLACED[name]:
        page = page.replace(piece, in_its_place)
    return page.replace("<head>", _HEAD, 1)


@functools.cache
def policy_of(name: str, page: str) -> str:
    """The content security policy of a page: this server alone, and the scripts that stand in the page."""
    is_traces = name in _TRACE_PAGES
    scripts = _OF_TRACE_VIEWER if is_traces else " ".join(["'self'", *(_digest(text) for text in _scripts_in(page))])
    rules = {
        "default-src": "'self'",
        "script-src": scripts,
        "style-src": "'self' 'unsafe-inline' data:",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self' data: blob:" if is_traces else "'self'",
        "worker-src": "'self' blob: data:" if is_traces else "'none'",
        "object-src": "'none'",
        "form-action": "'none'",
    }
    if not is_traces:  # the polyfill sets the base of what it loads
        rules["base-uri"] = "'none'"
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _scripts_in(page: str) -> list[str]:
    return _INLINE_SCRIPT.findall(page)


def _digest(script: str) -> str:
    text = script.replace("\r\n", "\n").replace("\r", "\n")  # as a browser normalizes before it digests
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
