"""What all published data sets share: what one is, its rows with their columns checked, and how they are kept."""

from layerprof.tasks.published.base.base import Origin, Picture, Row, Table, Tells, nothing_told, require_columns
from layerprof.tasks.published.base.datasets import Dataset, Home
from layerprof.tasks.published.base.kept import MANIFEST, Manifest, is_frozen, read_manifest, read_samples
from layerprof.tasks.published.base.locking import alone_in
from layerprof.tasks.published.base.pictures import picture_bytes, readable_picture
from layerprof.tasks.published.base.streams import one_line, streamed

__all__ = [
    "MANIFEST",
    "Dataset",
    "Home",
    "Manifest",
    "Origin",
    "Picture",
    "Row",
    "Table",
    "Tells",
    "alone_in",
    "is_frozen",
    "nothing_told",
    "one_line",
    "picture_bytes",
    "read_manifest",
    "read_samples",
    "readable_picture",
    "require_columns",
    "streamed",
]
