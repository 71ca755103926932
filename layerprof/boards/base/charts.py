"""Layouts of the custom scalars page: which tags are drawn together, and in which order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.custom_scalar import layout_pb2, metadata
from tensorboard.util import tensor_util

from layerprof.boards.base.base import Point

Charts = Sequence[tuple[str, Iterable[str]]]  # titles, each with the beginnings of the tags that it shows


def layout(categories: Iterable[tuple[str, Charts]]) -> Point:
    """The layout of a run and of all below it, of which only the first category is open.

    The page draws each chart of an open category before it answers anything: of a sweep over three axes those are two
    hundred charts and 18 seconds. A closed category costs nothing until it is opened.

    Args:
        categories: (title, charts) pairs.
    """
    found = [_category(title, charts, closed=place > 0) for place, (title, charts) in enumerate(categories)]
    content = layout_pb2.Layout(category=found)
    tensor = tensor_util.make_tensor_proto(content.SerializeToString(deterministic=True), shape=())
    return Point(
        0, Summary.Value(tag=metadata.CONFIG_SUMMARY_TAG, metadata=metadata.create_summary_metadata(), tensor=tensor)
    )


def _category(title: str, charts: Charts, *, closed: bool) -> layout_pb2.Category:
    return layout_pb2.Category(title=title, chart=[_chart(name, tags) for name, tags in charts], closed=closed)


def _chart(title: str, tags: Iterable[str]) -> layout_pb2.Chart:
    patterns = [f"^{re.escape(tag)}(/|$)" for tag in tags]
    return layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=patterns))
