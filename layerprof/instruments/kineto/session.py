"""The ops pass's session: torch's profiler around all steps, without the parsing that torch does of its events.

    session ── step 0 (sacrificed) ── step 1 ── step 2 ── step 3 ── stop ── `read_columns` reads the events

The first step is thrown away when reading: CUPTI loses or garbles the first kernels of a session (pytorch#192021), and
what is done only once falls into it on every device.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch.autograd import profiler as autograd_profiler

from layerprof.errors import MeasurementError

if TYPE_CHECKING:
    from torch._C._autograd import _KinetoEvent, _ProfilerResult
    from torch._C._profiler import _ProfilerEvent

_LOG_LEVEL = "KINETO_LOG_LEVEL"
_NO_LOG = "6"  # one above the highest: on level 5 Kineto tells of every start and stop of a session (torch 2.13)


class OpsSession:
    """One session of torch's profiler over the steps of an ops pass.

    Args:
        has_device: whether to record the kernels of the CUDA devices too.
        has_memory: whether to record allocations. Then only the starting thread is recorded, and what the autograd
            engine does for it on others: torch tells no allocations in a session of all threads (pytorch#166121).

    Limits:
        Kineto reads its log level once in a process, at its first session. If that is ours and ``KINETO_LOG_LEVEL``
        is not set, Kineto stays silent in this process from then on, its errors included.
    """

    def __init__(self, *, has_device: bool, has_memory: bool = False) -> None:
        self._has_device = has_device
        self._has_memory = has_memory
        self._result: _ProfilerResult | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Records what runs inside the block; stops however the block ends.

        Raises:
            MeasurementError: when a profiler runs in this process already, or the session does not start.
        """
        if is_profiling():
            raise MeasurementError(
                "the ops pass was asked for and a torch profiler is running already, of which a process can have one "
                "only; stop it before this call, or leave 'ops' out of passes"
            )
        session = autograd_profiler.profile(
            use_kineto=True,
            use_device="cuda" if self._has_device else None,
            record_shapes=True,
            profile_memory=self._has_memory,
            experimental_config=None if self._has_memory else _on_all_threads(),
        )
        _start(session)
        try:
            yield
        finally:
            session.__exit__(None, None, None)
        self._result = session.kineto_results

    def roots(self) -> Sequence[_ProfilerEvent]:
        """The roots of the tree of the session's events; before these are taken.

        Raises:
            MeasurementError: when there is no finished session.
        """
        roots: Sequence[_ProfilerEvent] = self._finished().experimental_event_tree()
        return roots

    def take_events(self) -> Sequence[_KinetoEvent]:
        """All events of the session, once; `read_columns` makes columns of them.

        Raises:
            MeasurementError: when there is no finished session.
        """
        events: Sequence[_KinetoEvent] = self._finished().events()
        self._result = None
        return events

    def _finished(self) -> _ProfilerResult:
        if self._result is None:
            raise MeasurementError("the ops pass has no finished session to read; run its steps inside running()")
        return self._result


def is_profiling() -> bool:
    """Whether a profiler of torch runs in this process, on whatever thread it was started."""
    return bool(torch._C._autograd._profiler_enabled() or autograd_profiler._is_profiler_enabled)


def _on_all_threads() -> torch._C._profiler._ExperimentalConfig | None:
    """The option without which torch records the starting thread's ops alone; None where torch does not have it."""
    try:
        return torch._C._profiler._ExperimentalConfig(profile_all_threads=True)
    except TypeError:
        return None


def _start(session: autograd_profiler.profile) -> None:
    try:
        with _silent_kineto():
            session.__enter__()
    except RuntimeError as err:
        # torch marks the session as running before it is known whether it does.
        autograd_profiler._run_on_profiler_stop()
        reason = str(err).partition("\n")[0]
        raise MeasurementError(
            f"the ops pass asked torch for a profiler session and it did not start ({reason}); "
            "try in a fresh process, or leave 'ops' out of passes"
        ) from err


@contextmanager
def _silent_kineto() -> Iterator[None]:
    """Sets Kineto's log level for its start, where the user has not."""
    if _LOG_LEVEL in os.environ:
        yield
        return
    os.environ[_LOG_LEVEL] = _NO_LOG
    try:
        yield
    finally:
        del os.environ[_LOG_LEVEL]
