"""The timeline as the bytes of a file beside its profile: numpy's ``.npz``, without pickle.

Format history (the ``schema`` of the header):
    1  a zip of arrays: ``header``, the bytes of a JSON object with "format", "schema", "strings", "shapes" and "tables"
       (the names of each table's columns), and an array ``<table>.<column>`` for each column, of int64 or float64.
       Packed by deflate at its quickest: a sixth of the bytes for 6 ms per 10,000 ops.
    2  the tables ``phases`` and ``allocations``; further columns of ``ops`` and ``kernels``. What is of schema 1 is
       read as it is, with those tables empty.

The profile's file keeps the digest of this one, so that a timeline is never taken for another profile's.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from layerprof.errors import InputError, RecordError
from layerprof.records import Columns, FrozenMapping, Timeline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCHEMA = 2
MOST_BYTES = 2**30  # unpacked; three steps of a million ops each are 0.4 GiB, and a zip can promise any number

_FORMAT = "layerprof-timeline"
_HEADER = "header"
_TABLES = ("steps", "phases", "ranges", "ops", "kernels", "allocations", "counters")
_DTYPES = ("<i8", "<f8")
_QUICKEST = 1
_NPY_VERSION = (1, 0)


def timeline_path(path: str | Path) -> Path:
    """Where the timeline of the profile in a ``.json`` file lies: ``<name>.timeline.npz`` beside it."""
    return Path(path).with_suffix(".timeline.npz")


def digest_of(content: bytes) -> str:
    """What tells one timeline's file from another's."""
    return hashlib.sha256(content).hexdigest()


def to_npz(timeline: Timeline) -> bytes:
    """The whole file of a timeline; the same timeline gives the same bytes.

    Raises:
        InputError: when it is larger than `from_npz` takes.
        TypeError: when a column is no array of int64 or float64, or the columns of a table are not of one length.
    """
    import numpy as np

    tables: dict[str, Columns] = {name: getattr(timeline, name) for name in _TABLES}
    header = {
        "format": _FORMAT,
        "schema": SCHEMA,
        "strings": timeline.strings,
        "shapes": timeline.shapes,
        "tables": {name: list(columns) for name, columns in tables.items()},
    }
    arrays: dict[str, NDArray[np.generic]] = {
        _HEADER: np.frombuffer(json.dumps(header, separators=(",", ":")).encode("ascii"), dtype=np.uint8)
    }
    for name, columns in tables.items():
        _require_columns(name, columns)
        arrays.update({f"{name}.{column}": array for column, array in columns.items()})
    if sum(array.nbytes for array in arrays.values()) > MOST_BYTES:
        raise InputError(f"the timeline is larger than {MOST_BYTES} bytes; save the profile without it")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=_QUICKEST) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, array, version=_NPY_VERSION, allow_pickle=False)
    return packed.getvalue()


def _require_columns(table: str, columns: Columns) -> None:
    for name, array in columns.items():
        if array.ndim != 1 or array.dtype.str not in _DTYPES:
            raise TypeError(f"{table}.{name} of a timeline is {array.dtype} of {array.ndim} dimensions")
    if len(set(map(len, columns.values()))) > 1:
        raise TypeError(f"the columns of {table} of a timeline are not of one length")


def from_npz(content: bytes, *, source: str) -> Timeline:
    """The timeline that a file holds; its arrays cannot be written to.

    Args:
        content: of the file.
        source: how error messages name it.

    Raises:
        RecordError: when it is cut off, damaged, not ours, or of a newer layerprof.
    """
    try:
        arrays = _unpacked(content)
        header = json.loads(arrays.pop(_HEADER).tobytes())
        if not isinstance(header, dict) or header.get("format") != _FORMAT:
            raise ValueError("it holds no timeline")
        schema = header.get("schema")
        if type(schema) is int and schema > SCHEMA:
            raise RecordError(f"{source} has schema {schema}, newer than this layerprof's {SCHEMA}; upgrade layerprof")
        return _timeline(header, arrays)
    except RecordError:
        raise
    except Exception as error:  # zipfile, zlib, json and numpy each have their own for damaged bytes
        remedy = "copy it again, or delete it to read the profile without it"
        raise RecordError(f"{source} is truncated or damaged: {error}; {remedy}") from error


def _timeline(header: Mapping[str, object], arrays: dict[str, NDArray[np.generic]]) -> Timeline:
    if header.get("schema") not in range(1, SCHEMA + 1):
        raise ValueError(f"its schema is {header.get('schema')!r}, which is no version")
    tables = header["tables"]
    if not isinstance(tables, dict) or not tables.keys() <= set(_TABLES):
        raise ValueError("its tables are not those of a timeline")
    expected = [f"{table}.{column}" for table, columns in tables.items() for column in columns]
    if sorted(expected) != sorted(arrays):
        raise ValueError("its arrays are not those that its header names")
    columns = {table: _columns(table, {name: arrays[f"{table}.{name}"] for name in tables[table]}) for table in tables}
    return Timeline(strings=_strings(header["strings"]), shapes=_shapes(header["shapes"]), **columns)


def _columns(table: str, arrays: dict[str, NDArray[np.generic]]) -> Columns:
    for name, array in arrays.items():
        if array.dtype.str not in _DTYPES:
            raise ValueError(f"{table}.{name} is of {array.dtype}")
    if len(set(map(len, arrays.values()))) > 1:
        raise ValueError(f"the columns of {table} are not of one length")
    return FrozenMapping(arrays)  # type: ignore[arg-type]  # of the two types, as was just checked


def _strings(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not set(map(type, values)) <= {str}:
        raise ValueError("its strings are no list of text")
    return tuple(values)


def _shapes(values: object) -> tuple[tuple[tuple[int, ...], ...], ...]:
    if not isinstance(values, list):
        raise ValueError("its shapes are no list")
    shapes = tuple(tuple(tuple(one) for one in shape) for shape in values)
    if not {type(size) for shape in shapes for one in shape for size in one} <= {int}:
        raise ValueError("its shapes are not of whole numbers")
    return shapes


def _unpacked(content: bytes) -> dict[str, NDArray[np.generic]]:
    """The arrays of a zip by their names, none of them with objects, and never more than it may hold."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MOST_BYTES:
            raise ValueError(f"it would unpack to more than {MOST_BYTES} bytes")
        if len({entry.filename for entry in entries}) != len(entries):
            raise ValueError("it has two arrays of one name")
        return {entry.filename.removesuffix(".npy"): _array(archive.read(entry)) for entry in entries}


def _array(content: bytes) -> NDArray[np.generic]:
    """A view of an array's bytes; what its header promises is believed only where the bytes are there."""
    import numpy as np

    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != _NPY_VERSION:
        raise ValueError("an array of another version")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject or len(shape) != 1 or len(content) - stream.tell() != shape[0] * dtype.itemsize:
        raise ValueError(f"an array of {dtype} and shape {shape} that is no column")
    return np.frombuffer(content, dtype=dtype, offset=stream.tell())
