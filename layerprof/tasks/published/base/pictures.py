"""Pictures as data sets have them: bytes, a local file, or one that a library has decoded already."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from PIL import ExifTags, Image, ImageOps

from layerprof.errors import InputError
from layerprof.tasks.published.base.base import Row

_FAILURES = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # what PIL raises for damaged files
_KEPT_AS_THEY_ARE = {"PNG": "png", "JPEG": "jpg"}  # any other format is kept as PNG, which loses nothing


def picture_bytes(row: Row, column: str) -> bytes | None:
    """The bytes of the row's picture; None where it has none.

    Raises:
        InputError: when what stands there is no picture.
    """
    value = row.values.get(column)
    if isinstance(value, Image.Image):
        return _as_png(value)
    if isinstance(value, Mapping):
        return _stored_bytes(value, row)
    if value is None or isinstance(value, bytes):
        return value or None
    raise InputError(
        f"the column {column!r} of {row.label} holds a {type(value).__name__} and no picture; correct the row"
    )


def _stored_bytes(value: Mapping[str, object], row: Row) -> bytes | None:
    """The bytes in a struct of bytes and path, as the library stores pictures; those of the file where it has none."""
    content, path = value.get("bytes"), value.get("path")
    if isinstance(content, bytes) and content:
        return content
    if not isinstance(path, str) or not path:
        return None
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as err:
        raise InputError(
            f"the picture {path!r} of {row.label} could not be read ({type(err).__name__}); give Parquet files that "
            f"hold the pictures themselves"
        ) from err


def readable_picture(content: bytes, row: Row) -> tuple[bytes, str]:
    """The picture's bytes and the ending of a file for them, once it is known that they can be decoded.

    A picture that is stored lying on its side is turned upright, as a viewer does.

    Raises:
        InputError: when they cannot.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            is_upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
            if is_upright and image.format in _KEPT_AS_THEY_ARE:
                return content, _KEPT_AS_THEY_ARE[image.format]
            return _as_png(ImageOps.exif_transpose(image)), "png"
    except _FAILURES as err:
        raise InputError(
            f"the picture of {row.label} is damaged ({type(err).__name__}); replace it or leave the row out"
        ) from err


def _as_png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.convert("RGB").save(content, format="PNG")
    return content.getvalue()
