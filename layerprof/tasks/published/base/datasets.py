"""What a published data set is: where it lives, the columns it is read from, and how its samples are asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from layerprof.records import Prompt, QualityMetric, Sample
from layerprof.tasks.published.base.base import Picture, Row

MakesSample = Callable[[Row, Picture], Sample]
MakesPrompt = Callable[[Sample], Prompt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A place of a data set on the hub.

    Attributes:
        alias: its id there.
        config: of its configurations, or None where it has one only.
        split: whose samples are asked.
        revision: commit, tag or branch; None is the newest, which is resolved to a commit when it is read.
    """

    alias: str
    config: str | None = None
    split: str
    revision: str | None = None

    @property
    def text(self) -> str:
        """In words, such as ``lmms-lab/textvqa, split validation``."""
        parts = {"configuration": self.config, "split": self.split, "revision": self.revision}
        return ", ".join([self.alias, *(f"{name} {part}" for name, part in parts.items() if part is not None)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A published data set.

    Attributes:
        name: its one name.
        columns: that it is read from.
        image_column: the one of them that holds the picture.
        has_rows_without_picture: whether such rows are left out; of any other data set they are damaged.
        homes: on the hub, the first that has it is used.
        metric: its own.
        template: of the prompt.
        max_new_tokens: at which an answer is cut off.
        to_sample: makes a sample of a row and its picture.
        to_prompt: makes a prompt of a sample.
    """

    name: str
    columns: tuple[str, ...]
    homes: tuple[Home, ...]
    metric: QualityMetric
    template: str
    max_new_tokens: int
    to_sample: MakesSample
    to_prompt: MakesPrompt
    image_column: str = "image"
    has_rows_without_picture: bool = False
