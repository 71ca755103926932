"""Tasks by name, and the pictures of their samples."""

from __future__ import annotations

from collections.abc import Mapping

from layerprof.errors import InputError
from layerprof.tasks.base import Task
from layerprof.tasks.easy_vqa import EasyVqa, read_test_set
from layerprof.tasks.images import open_images

__all__ = ["TASKS", "EasyVqa", "Task", "load", "open_images"]

_BY_NAME: Mapping[str, Task] = {"sample": EasyVqa(read=read_test_set)}

TASKS: tuple[str, ...] = tuple(_BY_NAME)


def load(name: str) -> Task:
    """The task of that name; its data are read when samples are asked for.

    Raises:
        InputError: when there is none.
    """
    if name not in _BY_NAME:
        raise InputError(f"no task {name!r}; there are {', '.join(TASKS)}")
    return _BY_NAME[name]
