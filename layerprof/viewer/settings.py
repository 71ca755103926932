"""TensorBoard's own pages with settings at which a chart shows what was measured.

By default they smooth each curve, which over the indices of layers draws values that no layer has, and leave outliers
out of the scale, which of two points leaves nothing. What a reader sets on a page still counts.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path

SCRIPT = "index.js"
# piece of the script -> how often it stands there, and what is served in its place
SETTINGS: Mapping[str, tuple[int, str]] = {
    # of Time Series
    "ignoreOutliers:!0,xAxisType": (1, "ignoreOutliers:!1,xAxisType"),
    "scalarSmoothing:.6,scalarPartitionNonMonotonicX": (1, "scalarSmoothing:0,scalarPartitionNonMonotonicX"),
    # of Scalars and of Custom Scalars
    '("_smoothingWeight",{defaultValue:.6})': (4, '("_smoothingWeight",{defaultValue:0})'),
    '("_ignoreYOutliers",{defaultValue:!0,': (4, '("_ignoreYOutliers",{defaultValue:!1,'),
}
NOTE = "the pages of this TensorBoard are not those that are known: set Smoothing to 0 and untick outliers in them"


def plain_pages(pages: Path | None = None) -> bytes | None:
    """The archive of TensorBoard's pages with other settings; None where they are not those that are known.

    Args:
        pages: the archive; by default that of the installed TensorBoard.
    """
    path = pages or _installed_pages()
    if not path.is_file():
        return None
    packed = BytesIO()
    with zipfile.ZipFile(path) as given, zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as made:
        if SCRIPT not in given.namelist():
            return None
        script = _plain(given.read(SCRIPT).decode())
        if script is None:
            return None
        for name, content in _others(given):
            made.writestr(name, content)
        made.writestr(SCRIPT, script)
    return packed.getvalue()


def _plain(script: str) -> str | None:
    for piece, (count, in_its_place) in SETTINGS.items():
        if script.count(piece) != count:
            return None
        script = script.replace(piece, in_its_place)
    return script


def _others(pages: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    for name in pages.namelist():
        if name != SCRIPT and not name.endswith("/"):
            yield name, pages.read(name)


def _installed_pages() -> Path:
    import tensorboard

    return Path(tensorboard.__file__).parent / "webfiles.zip"
