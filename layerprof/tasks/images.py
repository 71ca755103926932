"""Pictures of samples, read whole: no file stays open, and a damaged one is named."""

from __future__ import annotations

from collections.abc import Iterable

from PIL import Image

from layerprof.errors import InputError
from layerprof.records import Sample

_FAILURES = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # what PIL raises for damaged files


def open_images(samples: Iterable[Sample], *, resized_to: int | None = None) -> list[Image.Image]:
    """The pictures of the samples, in order, as RGB.

    Args:
        samples: whose files are read.
        resized_to: pixels of height and width that each is brought to, bicubic and whatever its shape; None leaves
            it as it is.

    Raises:
        InputError: when a file is missing or damaged.
    """
    images = [_read(sample) for sample in samples]
    if resized_to is None:
        return images
    return [image.resize((resized_to, resized_to), Image.Resampling.BICUBIC) for image in images]


def _read(sample: Sample) -> Image.Image:
    try:
        with Image.open(sample.image_path) as image:
            return image.convert("RGB")
    except _FAILURES as err:
        raise InputError(
            f"the picture {sample.image_path!r} of sample {sample.id!r} could not be read ({type(err).__name__}); "
            f"replace the file or leave the sample out"
        ) from err
