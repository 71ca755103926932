"""What a run of TensorBoard is made of: values with their steps.

Values are TensorBoard's own protocol buffers; TensorFlow is not needed. Scalars are written as plain numbers, which
every version of TensorBoard reads and keeps as float32.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.image import metadata as of_images
from tensorboard.plugins.scalar import metadata as of_scalars
from tensorboard.plugins.text import metadata as of_texts

_PNG_SIZE = slice(16, 24)  # of a PNG: width and height, four bytes each


class Point(NamedTuple):
    """A value at a step; a tuple, since a profile has thousands of them and a sweep has a thousand profiles.

    Attributes:
        step: a whole number that fits in 64 bits.
        value: of one tag.
    """

    step: int
    value: Summary.Value


def scalars(tag: str, numbers: Iterable[tuple[int, float]], *, about: str = "") -> list[Point]:
    """Numbers of one tag by step.

    Args:
        tag: with the unit as the end of its name.
        numbers: (step, number) pairs; a number beyond float32 becomes infinite.
        about: a sentence that TensorBoard shows beside the chart.
    """
    points = [Point(step, Summary.Value(tag=tag, simple_value=number)) for step, number in numbers]
    if points:  # the first value's metadata stand for all
        metadata = of_scalars.create_summary_metadata(display_name="", description=about)
        points[0].value.metadata.CopyFrom(metadata)
    return points


def text(tag: str, markdown: str) -> Point:
    """A text, which TensorBoard shows as Markdown."""
    tensor = TensorProto(
        dtype=DT_STRING, tensor_shape=TensorShapeProto(), string_val=[markdown.encode("utf-8")]
    )  # fmt: skip
    metadata = of_texts.create_summary_metadata(display_name="", description="")
    return Point(0, Summary.Value(tag=tag, metadata=metadata, tensor=tensor))


def picture(tag: str, png: bytes) -> Point:
    """A picture from the bytes of a PNG."""
    size = png[_PNG_SIZE]
    width, height = (str(int.from_bytes(part, "big")).encode() for part in (size[:4], size[4:]))
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=3)])
    tensor = TensorProto(dtype=DT_STRING, tensor_shape=shape, string_val=[width, height, png])
    metadata = of_images.create_summary_metadata(display_name="", description="")
    return Point(0, Summary.Value(tag=tag, metadata=metadata, tensor=tensor))
