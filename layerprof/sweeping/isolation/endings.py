"""How a cell's process ended, put into words and a kind: from its status, its last sign of life and its log.

    result complete ─ status 0 ─▶ the result            else ─▶ the result, with a note ``crashed_after``
    none ─ we stopped it ─▶ timeout, hang               SIGKILL that was not ours ─▶ oom_host with evidence, else crash
         ─ SIGSEGV, SIGBUS ─▶ segv                      any other signal or status ─▶ crash
         ─ its disk is full ─▶ unavailable              its server did not start ─▶ worker_lost

Nothing is read here but what is handed in.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from typing import Literal

from layerprof.records import CellFailure, Note
from layerprof.sweeping.base.failures import failure, failure_of
from layerprof.sweeping.isolation.base import Ending, signal_name
from layerprof.units import with_unit

_FRAME = re.compile(r'\s*File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<name>\S+)')
_CRASHES_OF_MEMORY = (signal.SIGSEGV, signal.SIGBUS)
_MUCH = 0.8  # of what a process could have: one that had more and was killed is taken for a victim of that


def failure_after(ending: Ending) -> CellFailure:
    """Why a process that ended without a result has none."""
    if ending.stop in ("timeout", "hang"):
        return _stopped(ending)
    if ending.stop == "start":
        return failure("worker_lost", f"the process with the imports did not start within {_limit_of(ending)}")
    if ending.full:
        return failure("unavailable", f"no space left in {ending.full}; free some and start the sweep again")
    if ending.status is None:
        return failure(
            "worker_lost", f"the server of the cells' processes is gone: {ending.server or 'no reason known'}"
        )
    if ending.status == -signal.SIGKILL:
        return _killed(ending)
    doing, words = _doing(ending), last_words(ending.log)
    if ending.status < 0:
        kind: Literal["segv", "crash"] = "segv" if -ending.status in _CRASHES_OF_MEMORY else "crash"
        return failure(kind, f"the process was ended by {signal_name(-ending.status)} {doing}: {words}")
    told = failure_of(RuntimeError(ending.log)).kind
    kind_of_memory: Literal["oom_host", "crash"] = "oom_host" if told == "oom_host" else "crash"
    return failure(kind_of_memory, f"the process ended with exit status {ending.status} {doing} and no result: {words}")


def note_after(ending: Ending) -> Note | None:
    """What is to be known of a process that left a result and then did not end well; None where it did."""
    if ending.status == 0 and ending.stop is None:
        return None
    if ending.stop is not None:
        how = "had to be stopped, since it did not end by itself"
    elif ending.status is None:
        how = "was lost with its server"
    elif ending.status < 0:
        how = f"was ended by {signal_name(-ending.status)}"
    else:
        how = f"ended with exit status {ending.status}"
    text = f"the result was complete; after that the process {how}: {last_words(ending.log)}"
    return Note(code="crashed_after", quantity="", scope="step", text=text)


def last_words(log: str) -> str:
    """The line of a log that says most about the end: where the interpreter was, else the last."""
    stacks = log.rfind("(most recent call first)")
    if stacks >= 0:
        first = next(_frames_in(log[stacks:]), None)
        fatal = next((line for line in log.splitlines() if line.startswith("Fatal Python error")), "")
        if first is not None:
            return ", ".join(filter(None, (fatal, first)))
    return next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "it said nothing")


def _frames_in(text: str) -> Iterator[str]:
    for line in text.splitlines():
        found = _FRAME.match(line)
        if found is not None:
            yield f"in {found['name']} ({found['file'].rpartition('/')[2]}:{found['line']})"


def _stopped(ending: Ending) -> CellFailure:
    limit = _limit_of(ending)
    words = last_words(ending.log)
    if ending.stop == "timeout":
        return failure("timeout", f"it took longer than {limit} and was stopped {_doing(ending)}: {words}")
    return failure("hang", f"it gave no sign of life for {limit} and was stopped {_doing(ending)}: {words}")


def _limit_of(ending: Ending) -> str:
    return f"{ending.limit_s:g} s" if ending.limit_s is not None else "its limit"


def _killed(ending: Ending) -> CellFailure:
    """SIGKILL that nobody here sent: the kernel's for want of memory where something speaks for it, else anybody's."""
    had = "" if ending.peak_bytes is None else f"; it had {with_unit(ending.peak_bytes, 'bytes')} at most"
    free = "" if ending.free_bytes is None else f" of the {with_unit(ending.free_bytes, 'bytes')} that it could have"
    if ending.oom_kills > 0:
        why = f"the control group counts {ending.oom_kills} more killed for want of memory{had}"
    elif ending.peak_bytes is not None and ending.free_bytes is not None and _has_much(ending):
        why = f"as when memory runs out{had}{free}"
    else:
        text = f"the process was killed by signal 9 from outside {_doing(ending)}; nothing tells that memory ran out"
        return failure("crash", f"{text}{had}{free if had else ''}")
    return failure("oom_host", f"the process was killed (SIGKILL) {_doing(ending)}: {why}")


def _has_much(ending: Ending) -> bool:
    return (ending.peak_bytes or 0) > _MUCH * (ending.free_bytes or 0)


def _doing(ending: Ending) -> str:
    if not ending.phase:
        return "before it began to measure"
    steps = "" if not ending.done and ending.total is None else f" {ending.done}"
    of = "" if ending.total is None else f" of {ending.total}"
    return f"while it did: {ending.phase}{steps}{of}"
