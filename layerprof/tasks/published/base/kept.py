"""Samples frozen in a folder, and how they are read: never trusted unread, since anybody may have written it.

    manifest.json     data set, origin, how many samples, and the SHA-256 of
    samples.jsonl     a line for each sample, with the SHA-256 of its picture in
    pictures/         <sha256>.png or .jpg

So the manifest's digest covers every text and every picture. Only the samples that are asked for are looked at.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from layerprof.errors import InputError, RecordError
from layerprof.records import Sample
from layerprof.store.base import Data
from layerprof.store.files import read_json, to_json
from layerprof.tasks.published.base.base import Origin, Picture

MANIFEST = "manifest.json"
SAMPLES = "samples.jsonl"
PICTURES = "pictures"

_VERSION = 1  # of the folder's form
_PICTURE_NAME = re.compile(r"([0-9a-f]{64})\.(png|jpg)")  # no other file is opened, whatever a line says
_REMEDY = "give a copy of the folder that is not damaged, or another source"  # it may be anybody's: never to be deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a folder of frozen samples says about itself.

    Attributes:
        dataset: name.
        origin: of the rows.
        count: of the samples.
        left_out: rows before the last sample that have no picture.
        is_whole: whether the source has no more samples than these.
        sha256: of the file of samples.
    """

    dataset: str
    origin: Origin
    count: int
    left_out: int
    is_whole: bool
    sha256: str

    @property
    def text(self) -> str:
        """The origin in words, with what was left out."""
        rows = self.count + self.left_out
        left_out = f", {self.left_out} of its first {rows} rows without a picture left out" if self.left_out else ""
        return f"{self.origin.text}{left_out}"

    def to_bytes(self) -> bytes:
        """As a file holds it."""
        origin = self.origin
        return to_json(
            {
                "version": _VERSION,
                "dataset": self.dataset,
                "source": origin.source,
                "config": origin.config,
                "split": origin.split,
                "revision": origin.revision,
                "count": self.count,
                "left_out": self.left_out,
                "is_whole": self.is_whole,
                "sha256": self.sha256,
            }
        )


def line_of(sample: Sample, picture: Picture) -> bytes:
    """A sample as a line of the file of samples holds it."""
    fields: dict[str, Data] = {
        "id": sample.id,
        "picture": Path(picture.path).name,
        "question": sample.question,
        "answers": list(sample.answers),
        "choices": list(sample.choices),
        "context": sample.context,
        "image_id": sample.image_id,
    }
    return to_json(fields) + b"\n"


def read_manifest(folder: Path) -> Manifest | None:
    """What the folder says about itself; None where it holds no frozen samples.

    Raises:
        RecordError: when it is damaged, or of another form.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    content = read_json(path)
    try:
        return _manifest(cast("Mapping[str, object]", content))
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        raise RecordError(f"{path} does not tell of frozen samples in a form that is known; {_REMEDY}") from err


def _manifest(content: Mapping[str, object]) -> Manifest:
    if content["version"] != _VERSION:
        raise ValueError(content["version"])
    config, split, revision = (_text_or_none(content[name]) for name in ("config", "split", "revision"))
    count, left_out = _count(content["count"]), _count(content["left_out"])
    return Manifest(
        dataset=_text(content["dataset"]),
        origin=Origin(source=_text(content["source"]), config=config, split=split, revision=revision),
        count=count,
        left_out=left_out,
        is_whole=content["is_whole"] is True,
        sha256=_text(content["sha256"]),
    )


def is_frozen(folder: Path) -> bool:
    """Whether the folder says of itself, in the form that is known, that it holds frozen samples.

    Many a tool writes a file of the manifest's name.
    """
    try:
        return read_manifest(folder) is not None
    except (InputError, RecordError):
        return False


def read_samples(folder: Path, manifest: Manifest, count: int) -> tuple[Sample, ...]:
    """The first ``count`` of the samples, each with its picture as it was frozen.

    Raises:
        RecordError: when the file of samples or a picture of these is damaged or missing.
    """
    try:
        content = (folder / SAMPLES).read_bytes()
    except OSError as err:
        raise RecordError(f"{folder / SAMPLES} could not be read ({type(err).__name__}); {_REMEDY}") from err
    if hashlib.sha256(content).hexdigest() != manifest.sha256:
        raise RecordError(f"{folder / SAMPLES} is not what the manifest beside it says; {_REMEDY}")
    try:
        return tuple(_sample(json.loads(line), folder / PICTURES) for line in content.splitlines()[:count])
    except (AttributeError, KeyError, TypeError, ValueError, OSError) as err:
        raise RecordError(f"the samples in {folder} are damaged ({err}); {_REMEDY}") from err


def _sample(fields: Mapping[str, object], pictures: Path) -> Sample:
    return Sample(
        id=_text(fields["id"]),
        image_path=str(_verified(pictures, _text(fields["picture"]))),
        question=_text(fields["question"]),
        answers=_texts(fields["answers"]),
        choices=_texts(fields["choices"]),
        context=_text(fields["context"]),
        image_id=_text(fields["image_id"]),
    )


def _verified(pictures: Path, name: str) -> Path:
    match = _PICTURE_NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no name of a picture")
    path = pictures / name
    if hashlib.sha256(path.read_bytes()).hexdigest() != match.group(1):
        raise ValueError(f"{name} has changed")
    return path


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return tuple(_text(each) for each in value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value
