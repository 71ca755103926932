"""The published data sets as tasks, from the hub, from files of this machine, or made offline.

    hub, or Parquet files ─ rows ─ frozen in a folder of the user's cache ─┐
    a folder of frozen samples ────────────────────────────────────────────┼─ samples
    easy-VQA, made into the same columns ──────────────────────────────────┘

What was frozen once is read from its folder ever after, without a network; it serves any smaller number of samples.
More of them are fetched from the same commit.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import platformdirs

from layerprof.errors import InputError, RecordError
from layerprof.names import HUB_SOURCE, SAMPLE_SOURCE
from layerprof.records import Prompt, QualityMetric, Sample
from layerprof.tasks.base import Triple, require_count
from layerprof.tasks.published import files, hub, offline
from layerprof.tasks.published.base import (
    MANIFEST,
    Dataset,
    Home,
    Manifest,
    Picture,
    Row,
    Table,
    Tells,
    is_frozen,
    nothing_told,
    picture_bytes,
    read_manifest,
    read_samples,
    require_columns,
)
from layerprof.tasks.published.coco import COCO
from layerprof.tasks.published.freezing import OpensTable, frozen_samples
from layerprof.tasks.published.hub import HubReader, read_home
from layerprof.tasks.published.scienceqa import SCIENCEQA
from layerprof.tasks.published.textvqa import TEXTVQA

__all__ = ["PUBLISHED", "Dataset", "Home", "PublishedTask", "Table", "Tells", "cache_folder", "nothing_told"]

PUBLISHED: Mapping[str, Dataset] = {dataset.name: dataset for dataset in (TEXTVQA, SCIENCEQA, COCO)}

_REVISION = f"{HUB_SOURCE}@"
_KEY_LENGTH = 16
_NOWHERE = Path(os.devnull) / "layerprof"  # below a device there are no folders, whoever asks


def cache_folder() -> Path:
    """The user's, which ``XDG_CACHE_HOME`` moves on Linux; of a user without a home, one that cannot be written."""
    try:
        return platformdirs.user_cache_path("layerprof")
    except RuntimeError:  # no HOME, and a user whom the system does not know, as containers run under
        return _NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTask:
    """A published data set from one source.

    Attributes:
        dataset: which one.
        source: ``hub``, ``hub@<revision>``, ``sample``, or a folder or file.
        read_easy_vqa: gives the triples that the source ``sample`` is made of.
        easy_vqa_origin: of these.
        read_hub: gives the rows of a home on the hub.
        cache: gives the folder in which samples are frozen.
        tell: is called while they are.
    """

    dataset: Dataset
    source: str
    read_easy_vqa: Callable[[], tuple[Triple, ...]]
    easy_vqa_origin: str
    read_hub: HubReader = read_home
    cache: Callable[[], Path] = cache_folder
    tell: Tells = nothing_told

    @property
    def name(self) -> str:
        """The data set's."""
        return self.dataset.name

    @property
    def origin(self) -> str:
        """Where the frozen samples came from, with the commit; until there are some, where they are to come from."""
        if self.source == SAMPLE_SOURCE:
            return offline.origin_of(self.dataset, self.easy_vqa_origin).text
        try:
            manifest = read_manifest(self._folder())
        except (InputError, RecordError):
            manifest = None
        return f"{self.source}, not read yet" if manifest is None else manifest.text

    @property
    def metric(self) -> QualityMetric:
        """The data set's."""
        return self.dataset.metric

    @property
    def template(self) -> str:
        """The data set's."""
        return self.dataset.template

    @property
    def max_new_tokens(self) -> int:
        """The data set's."""
        return self.dataset.max_new_tokens

    def prompt(self, sample: Sample) -> Prompt:
        """As the data set is asked."""
        return self.dataset.to_prompt(sample)

    def references(self, sample: Sample) -> tuple[str, ...]:
        """All that the data set accepts, in its order."""
        return sample.answers

    def samples(self, count: int) -> tuple[Sample, ...]:
        """The first ``count`` rows that can be asked, in the order of the source."""
        require_count(count, limit=count, name=self.name)  # before anything is fetched
        if self.source == SAMPLE_SOURCE:
            return self._made_samples(count)
        folder = self._folder()
        if _is_hub(self.source):
            return frozen_samples(folder, self.dataset, count=count, open_table=self._open_hub, tell=self.tell)
        place = files.place_of(self.dataset, Path(self.source))
        if folder == place:
            return _given_samples(place, self.dataset, count)
        return frozen_samples(folder, self.dataset, count=count, open_table=self._opens_files(place), tell=self.tell)

    def _folder(self) -> Path:
        """Where the frozen samples are, or will be: a folder of the cache, unless the source is one of them."""
        kept = self.cache() / "data" / self.name
        if _is_hub(self.source):
            revision = _revision(self.source)
            return kept / (HUB_SOURCE if revision is None else f"{HUB_SOURCE}-{_key(revision)}")
        place = files.place_of(self.dataset, Path(self.source))
        if is_frozen(place) or ((place / MANIFEST).is_file() and not files.has_parquet(place)):
            return place
        return kept / f"files-{files.key_of(files.parquet_files(self.dataset, place).paths)}"

    def _open_hub(self, known: Manifest | None) -> Table:
        homes = [replace(home, revision=_revision(self.source)) for home in self.dataset.homes]
        origin = None if known is None else known.origin
        if origin is not None and origin.split is not None:
            homes = [Home(alias=origin.source, config=origin.config, split=origin.split, revision=origin.revision)]
        return hub.table_of(self.dataset, homes, self.read_hub)

    def _opens_files(self, place: Path) -> OpensTable:
        return lambda _: files.read_parquet(files.parquet_files(self.dataset, place), self.dataset, place)

    def _made_samples(self, count: int) -> tuple[Sample, ...]:
        table = offline.table_of(self.dataset, self.read_easy_vqa(), origin=self.easy_vqa_origin)
        require_columns(table, self.dataset.columns, dataset=self.name)
        rows = enumerate(itertools.islice(table.rows, count))
        known: dict[str, Picture] = {}
        made = tuple(
            self._made_sample(Row(values=values, number=number, dataset=self.name), known) for number, values in rows
        )
        if len(made) < count:
            require_count(count, limit=len(made), name=self.name)
        return made

    def _made_sample(self, row: Row, known: dict[str, Picture]) -> Sample:
        """A sample whose picture stays where it is: it is a local file already, and read once for all its rows."""
        image = row.values[self.dataset.image_column]
        path = str(image["path"]) if isinstance(image, Mapping) else ""
        if path not in known:
            content = picture_bytes(row, self.dataset.image_column) or b""
            known[path] = Picture(path=path, sha256=hashlib.sha256(content).hexdigest())
        return self.dataset.to_sample(row, known[path])


def _is_hub(source: str) -> bool:
    return source == HUB_SOURCE or source.startswith(_REVISION)


def _revision(source: str) -> str | None:
    return source.removeprefix(_REVISION) if source.startswith(_REVISION) and source != _REVISION else None


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]


def _given_samples(folder: Path, dataset: Dataset, count: int) -> tuple[Sample, ...]:
    """The first ``count`` of a folder that somebody froze.

    Raises:
        InputError: when it is of another data set, has fewer, or is damaged.
    """
    try:
        manifest = read_manifest(folder)
        if manifest is None or manifest.dataset != dataset.name:
            found = "nothing" if manifest is None else repr(manifest.dataset)
            raise InputError(
                f"{folder} holds frozen samples of {found}, and {dataset.name} was asked for; give its own"
            )
        require_count(count, limit=manifest.count, name=f"{dataset.name} in {folder}")
        return read_samples(folder, manifest, count)
    except RecordError as err:
        raise InputError(f"{err}") from err
