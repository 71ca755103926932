"""What happens in a cell's process: limits, the entry, and an outcome that is on disk before the process ends.

    hello ─▶ entry(cell, tell) ─ signs of life ─▶ outcome written ─▶ result ─▶ functions registered for the exit ─▶ end

As a program, ``python -P -m layerprof.sweeping.isolation.cell REQUEST PIPE``, it is a fresh process that
the server has set up; `run` is what a forked one calls. Both do the same.
"""

from __future__ import annotations

import atexit
import faulthandler
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from layerprof.errors import LayerprofError
from layerprof.ledger import Outcome, write_outcome
from layerprof.ledger.base import EVIDENCE_FILE, PROFILE_FILE, is_full
from layerprof.records import FrozenMapping, Note
from layerprof.store import timeline_path
from layerprof.sweeping.base.cells import cell_from_json
from layerprof.sweeping.isolation.base import (
    Request,
    chosen_cores,
    encode,
    lift_memory_limit,
    limit_memory,
    measured,
    resolve,
)

_BEAT_S = 0.5  # between two signs of life: the sweep has to wake up for each
_LONGEST_PHASE = 200  # characters: a line shorter than 4096 bytes goes into a pipe whole or not at all


class Voice:
    """Signs of life of a process, which never hold it up.

    Args:
        pipe: that the sweep reads.
        now_s: gives the time.
    """

    def __init__(self, pipe: int, now_s: Callable[[], float] = time.monotonic) -> None:
        os.set_blocking(pipe, False)
        os.set_inheritable(pipe, False)
        self._pipe, self._now_s = pipe, now_s
        self._next_s = now_s()
        self._phases: set[str] = set()

    def tell(self, phase: str, done: int = 0, total: int | None = None) -> None:
        """Says what the process is doing: at once where it is new, else at most twice a second."""
        now_s = self._now_s()
        if now_s < self._next_s and phase in self._phases:
            return
        self._next_s = now_s + _BEAT_S
        self._phases.add(phase)
        self.say(phase=phase[:_LONGEST_PHASE], done=done, total=total)

    def say(self, **message: object) -> None:
        """Says anything; nothing where nobody reads or the pipe is full."""
        with suppress(OSError):
            os.write(self._pipe, encode(message))


def run(request: Request, pipe: int) -> None:
    """Measures a cell and leaves its outcome in the request's folder; what finds no space there is told.

    Raises:
        InputError: when the outcome cannot be written for another reason.
    """
    faulthandler.enable(all_threads=False)
    faulthandler.register(signal.SIGTERM, chain=True)  # says in the log where the process stood when it was stopped
    voice = Voice(pipe)
    is_on_cpu = request.device.partition(":")[0] == "cpu"
    cores = _bind(request.threads)
    limit_bytes = limit_memory(request.memory_limit_bytes) if is_on_cpu else None
    voice.say(hello=True, cores=cores, memory_limit_bytes=limit_bytes)
    sys.path.extend(entry for entry in request.path if entry not in sys.path)
    importlib.invalidate_caches()  # files may be newer than the server
    _set_threads(request.threads)
    board = None if is_on_cpu else _choose_device(request.device)
    cell = cell_from_json(request.cell)
    begun: list[float] = []

    def entry() -> Callable[..., Outcome]:
        function: Callable[..., Outcome] = resolve(request.entry)
        begun.append(time.monotonic())
        voice.say(begun=True, threads=_threads(), board=board)
        return function

    outcome = measured(entry, cell, repeat=request.repeat, tell=voice.tell)
    lift_memory_limit()  # what has to be written finds its memory
    start_s = (begun or [time.monotonic()])[0] - request.submitted_s
    if leave(_with_start(outcome, start_s), Path(request.folder)):
        voice.say(result=True, threads=_threads())
    else:
        voice.say(full=request.folder)
    _finish()


def leave(outcome: Outcome, folder: Path) -> bool:
    """Leaves an outcome in a folder, without what lies beside its record where the disk is too full for that.

    Returns:
        Whether there was space for the record at least.

    Raises:
        InputError: when the folder cannot be written for another reason.
    """
    for fitting in (outcome, _alone(outcome)):
        try:
            write_outcome(fitting, folder)
        except (LayerprofError, OSError) as error:
            if not is_full(error):
                raise
            profile = folder / PROFILE_FILE
            for path in (profile, timeline_path(profile), folder / EVIDENCE_FILE):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
        else:
            return True
    return False


def _alone(outcome: Outcome) -> Outcome:
    """The outcome without its profile and its evidence, and a note for each."""
    names = {"profile": "the layer profile", "evidence": "the evidence"}
    missing = [name for name in names if getattr(outcome, name) is not None]
    text = "was left out, since the disk was full; free some and measure the cell again"
    summary = outcome.record.summary
    notes = (Note(code="not_stored", quantity=name, scope="", text=f"{names[name]} {text}") for name in missing)
    record = replace(outcome.record, summary=replace(summary, notes=(*summary.notes, *notes)))
    return replace(outcome, record=record, profile=None, evidence=None)


def _bind(threads: int | None) -> tuple[int, ...]:
    """Keeps the process to as many cores as it may have threads, where that can be had, and tells which."""
    cores = chosen_cores(threads)
    if threads is not None and cores:
        os.sched_setaffinity(0, cores)
    return cores


def _set_threads(threads: int | None) -> None:
    """Sets torch's threads where the server has imported it; torch that comes later reads the variables."""
    torch = sys.modules.get("torch")
    if torch is not None and threads is not None:
        torch.set_num_threads(threads)


def _threads() -> int | None:
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())


def _choose_device(device: str) -> str | None:
    """Makes the slot's device the one that ``cuda`` alone stands for, and gives its board's UUID.

    None where it cannot be had; the entry says why, as it asks for the same device.
    """
    kind, _, index = device.partition(":")
    if kind != "cuda":
        return None
    try:
        import torch

        torch.cuda.set_device(int(index or 0))
        return str(torch.cuda.get_device_properties(int(index or 0)).uuid)
    except Exception:
        return None


def _with_start(outcome: Outcome, start_s: float) -> Outcome:
    spans_s = FrozenMapping({**outcome.record.spans_s, "start": max(0.0, start_s)})
    return replace(outcome, record=replace(outcome.record, spans_s=spans_s))


def _finish() -> None:
    """Calls what libraries and the user have registered for the exit; the objects of the process are not torn down."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # of a log that has no space
            stream.flush()
    atexit._run_exitfuncs()  # as multiprocessing's children do


if __name__ == "__main__":
    run(Request.from_data(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), int(sys.argv[2]))
    os._exit(0)
