"""One number for what samples hold, which tells whether two runs were made on the same ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from layerprof.errors import InputError
from layerprof.records import Sample
from layerprof.store.base import Data
from layerprof.store.files import to_json


def samples_digest(samples: Iterable[Sample]) -> str:
    """The SHA-256 of the samples in their order: ids, texts, and the bytes of the pictures wherever they lie.

    The pictures' ids are among them: they decide which samples are resampled together, and so the intervals.

    Raises:
        InputError: when a picture cannot be read.
    """
    digest = hashlib.sha256()
    for sample in samples:
        # One JSON list a sample, so that no text can run into the next.
        names: list[Data] = [sample.id, sample.image_id]
        texts: list[Data] = [sample.question, sample.context, list(sample.choices), list(sample.answers)]
        digest.update(to_json({"sample": [*names, *texts, _picture_digest(sample)]}))
    return digest.hexdigest()


def _picture_digest(sample: Sample) -> str:
    try:
        return hashlib.sha256(Path(sample.image_path).read_bytes()).hexdigest()
    except OSError as err:
        raise InputError(
            f"the picture {sample.image_path!r} of sample {sample.id!r} could not be read ({type(err).__name__}); "
            f"replace the file or leave the sample out"
        ) from err
