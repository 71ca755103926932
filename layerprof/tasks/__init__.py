"""Tasks by name and source, the pictures of their samples, and a digest of what the samples hold."""

from __future__ import annotations

from layerprof.errors import InputError
from layerprof.names import DATASETS, HUB_SOURCE, SAMPLE_SOURCE, dataset_named
from layerprof.tasks.base import Task
from layerprof.tasks.digest import samples_digest
from layerprof.tasks.easy_vqa import ORIGIN, EasyVqa, read_test_set
from layerprof.tasks.images import open_images
from layerprof.tasks.published import PUBLISHED, PublishedTask, Tells, nothing_told

__all__ = ["TASKS", "EasyVqa", "PublishedTask", "Task", "Tells", "load", "open_images", "samples_digest"]

TASKS: tuple[str, ...] = DATASETS


def load(dataset: str, source: str | None = None, *, tell: Tells | None = None) -> Task:
    """The task of that data set; its data are read when samples are asked for.

    Args:
        dataset: one of `TASKS`, whatever the case.
        source: of a published data set: ``hub``, ``hub@<revision>``, ``sample`` (offline, in the same columns), or a
            folder or file; None is the hub. The data set ``sample`` has no other source than its package.
        tell: is called with how many samples are there and how many there are to be, with each one that is fetched and
            frozen, and while another process fetches them; what is on this machine already needs no such sign.

    Raises:
        InputError: when there is no such data set, or ``sample`` is given a source.
    """
    name = dataset_named(dataset)
    if name is None:
        raise InputError(f"no task {dataset!r}; there are {', '.join(TASKS)}")
    if name != SAMPLE_SOURCE:
        return PublishedTask(
            dataset=PUBLISHED[name],
            source=HUB_SOURCE if source is None else source,
            read_easy_vqa=read_test_set,
            easy_vqa_origin=ORIGIN,
            tell=tell or nothing_told,
        )
    if source is not None:
        raise InputError(f"the dataset {SAMPLE_SOURCE!r} has no other source; leave out source={source!r}")
    return EasyVqa(read=read_test_set)
