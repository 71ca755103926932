"""A progress bar for long work, drawn on standard error so that results can be piped.

It is drawn only when it is told something, never by a thread of its own: nothing may run beside what is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Show = Callable[[str, int, int | None], None]

_REDRAW_SECONDS = 0.2


@contextmanager
def progress_bar(title: str, *, is_shown: bool) -> Iterator[Show]:
    """Gives a function to call with (what is being done, steps done, steps to do or None).

    Args:
        title: stands in front of the bar.
        is_shown: False shows nothing.
    """
    if not is_shown:
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    drawn_at, drawn = 0.0, ""
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task(title, total=None)

        def show(what: str, done: int, total: int | None) -> None:
            nonlocal drawn_at, drawn
            bar.update(task, description=f"{title}: {what}", completed=done, total=total)
            if what != drawn or time.monotonic() - drawn_at > _REDRAW_SECONDS:
                bar.refresh()
                drawn_at, drawn = time.monotonic(), what

        yield show
