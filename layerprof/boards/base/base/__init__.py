"""What the parts of the base share: names, values with their steps, records of an event file, lists of exports."""

from layerprof.boards.base.base.lists import EVENT_FILE, LIST_FILE, ExportList, RunKind, read_list, remove_files
from layerprof.boards.base.base.names import digest_of, file_name, label, unique_names
from layerprof.boards.base.base.points import Point, picture, scalars, text
from layerprof.boards.base.base.records import framed

__all__ = [
    "EVENT_FILE",
    "LIST_FILE",
    "ExportList",
    "Point",
    "RunKind",
    "digest_of",
    "file_name",
    "framed",
    "label",
    "picture",
    "read_list",
    "remove_files",
    "scalars",
    "text",
    "unique_names",
]
