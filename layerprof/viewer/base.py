"""What the parts of the viewer share: the plugin that is known, what is replaced in its pages, and which is served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

KNOWN_VERSION = "0.4.3"  # the last release of torch-tb-profiler; its source was removed upstream in April 2026
PLUGIN_NAME = "pytorch_profiler"

CHARTS = "charts.js"
CHARTS_STYLE = "charts.css"
WEB_COMPONENTS = "webcomponents.min.js"

# A difference of times in the table of the Diff page, which has the digits of floats; it is shown to the nanosecond.
_DIFFERENCES = {
    f"delta{shown}:o.{time}-r.{time}": f"delta{shown}:Number((o.{time}-r.{time}).toFixed(3))"
    for shown, time in (
        ("HostDuration", "host_duration"),
        ("SelfHostDuration", "self_host_duration"),
        ("DeviceDuration", "device_duration"),
        ("SelfDeviceDuration", "self_device_duration"),
    )
}

# page -> pairs of a piece of it that stands there once, and what is served in its place
REPLACED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "index.html": (
        ("https://www.gstatic.com/charts/loader.js", CHARTS),
        # The rows of the Module page are numbered so that children have the numbers of what follows their parent: once
        # several are expanded, rows stand in the wrong places, some of them twice.
        ("var t={key:n++,name:e.name,occurences:", "var t={key:wN.rows=(wN.rows||0)+1,name:e.name,occurences:"),
        # What is reserved stands third in a row, and as 0 where nothing told it, as of a CPU: then it is left out.
        (
            "columns:Z.columns,rows:null!==(n=Z.rows[H])",
            "columns:(Z.rows[H]||[]).some((function(n){return n[2]}))?Z.columns:Z.columns.slice(0,2),"
            "rows:null!==(n=Z.rows[H])",
        ),
        *_DIFFERENCES.items(),
    ),
    "trace_embedding.html": (
        ("https://cdnjs.cloudflare.com/ajax/libs/webcomponentsjs/0.7.24/webcomponents.min.js", WEB_COMPONENTS),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The profiler plugin to serve.

    Attributes:
        is_mended: whether the subclass stands in for the installed plugin.
        note: one line on what does not work, or None where all does.
    """

    is_mended: bool
    note: str | None = None
