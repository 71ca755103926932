"""Pictures of samples, read whole: no file stays open, and a damaged one is named."""

from __future__ import annotations

from collections.abc import Iterable

from PIL import Image

from layerprof.errors import InputError
from layerprof.records import Sample

_FAILURES = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # what PIL raises for damaged files


def open_images(samples: Iterable[Sample]) -> list[Image.Image]:
    """The pictures of the samples, in order, as RGB.

    Raises:
        InputError: when a file is missing or damaged.
    """
    return [_read(sample) for sample in samples]


def _read(sample: Sample) -> Image.Image:
    try:
        with Image.open(sample.image_path) as image:
            return image.convert("RGB")
    except _FAILURES as err:
        raise InputError(
            f"the picture {sample.image_path!r} of sample {sample.id!r} could not be read ({type(err).__name__}); "
            f"replace the file or leave the sample out"
        ) from err
