"""A fake executor that follows the protocol in virtual time, and outcomes for its script.

    gpu = slot("host/cuda:0", device="cuda:0", device_type="H200")
    executor = FakeExecutor([gpu], script=lambda job: failed(job, "oom_cuda", "no memory"), run_s=60.0)
    executor.submit(job)
    executor.wait(90.0)                            # Beat, then Finished; executor.now_s is 60.0
    executor.submitted                             # what was run, in its order

For tests of what drives an executor; nothing is measured and nothing waits.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Sequence
from types import TracebackType

from layerprof.ledger.base import Outcome
from layerprof.records import CellFailure, Distribution, FrozenMapping, RunRecord, RunSummary
from layerprof.sweeping.base.jobs import Beat, EnvironmentKey, Event, Finished, Job, Slot

_ID_DIGITS = 16
_NS_PER_S = 1e9


def slot(
    name: str = "host/cpu", *, host: str = "host", device: str = "cpu", device_type: str = "cpu", **facts: str
) -> Slot:
    """A slot, whose environment has the given facts and the device's type.

    Args:
        name: unique among the slots of an executor.
        host: the machine's name.
        device: such as ``cpu`` or ``cuda:0``.
        device_type: its name.
        facts: more of the environment's, such as ``torch="2.13.0"``; two slots with equal ones share an environment.
    """
    known = {"device_type": device_type, **facts}
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:_ID_DIGITS]
    environment = EnvironmentKey(id=digest, facts=FrozenMapping(known))
    return Slot(name=name, host=host, device=device, device_type=device_type, environment=environment)


def done(job: Job, **metrics: float | int | None) -> Outcome:
    """A run that went well, with a latency of a second where no other is given."""
    values: dict[str, float | int | None] = {"latency_s": 1.0, **metrics}
    latency_s = values["latency_s"]
    record = RunRecord(
        summary=_summary(job, FrozenMapping(values), failure=None),
        axes=job.cell.axes,
        latency_s=None if latency_s is None else Distribution(samples=(float(latency_s),) * 6),
        facts=job.slot.environment.facts,
    )
    return Outcome(record=record)


def failed(job: Job, kind: str = "exception", text: str = "out of luck") -> Outcome:
    """A run that failed.

    Args:
        job: that was run.
        kind: one of `layerprof.records.FailureKind`.
        text: the reason.
    """
    summary = _summary(job, FrozenMapping(), failure=CellFailure(kind=kind, text=text))
    return Outcome(record=RunRecord(summary=summary, axes=job.cell.axes, facts=job.slot.environment.facts))


def _summary(job: Job, metrics: FrozenMapping[float | int | None], *, failure: CellFailure | None) -> RunSummary:
    return RunSummary(
        cell=job.cell.id,
        repeat=job.repeat,
        environment=job.slot.environment.id,
        status="done" if failure is None else "failed",
        metrics=metrics,
        failure=failure,
    )


class FakeExecutor:
    """An executor whose runs take virtual time and end as a script says; it is a context manager of itself.

    It holds its user to the protocol: a run goes to a slot that is there and free, under a name that was not used yet.

    Args:
        slots: that there are; `places` changes them later.
        script: the outcome of a run, asked for when the run ends; None for one that never ends. What it raises comes
            out of `wait`, as Ctrl-C would.
        run_s: virtual seconds that a run takes, or a function of the job.
        beats: whether each run gives a sign of life when it starts.

    Attributes:
        places: the slots that there are now.
        submitted: every job, in its order.
        running: jobs that have not ended.
        now_s: virtual seconds since the beginning.
        is_open: between entering and leaving its context.
        was_stopped: jobs that still ran when the context ended.
    """

    def __init__(
        self,
        slots: Sequence[Slot] | None = None,
        script: Callable[[Job], Outcome | None] = done,
        *,
        run_s: float | Callable[[Job], float] = 1.0,
        beats: bool = True,
    ) -> None:
        self.places: tuple[Slot, ...] = (slot(),) if slots is None else tuple(slots)
        self.submitted: list[Job] = []
        self.running: list[Job] = []
        self.now_s = 0.0
        self.is_open = False
        self.was_stopped: tuple[Job, ...] = ()
        self._script = script
        self._run_s = run_s
        self._ends_s: dict[str, float] = {}
        self._events: list[Event] = []
        self._beats = beats

    def __enter__(self) -> FakeExecutor:
        self.is_open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_open = False
        self.was_stopped = tuple(self.running)
        self.running.clear()

    def factory(self, devices: tuple[str, ...] = (), options: object = None) -> FakeExecutor:
        """Itself, in the place of an executor's factory."""
        return self

    def slots(self) -> tuple[Slot, ...]:  # noqa: D102 - as `Executor`
        return self.places

    def submit(self, job: Job) -> None:  # noqa: D102 - as `Executor`
        assert job.slot in self.places, f"{job.slot.name} is not there"
        assert job.slot.name not in {other.slot.name for other in self.running}, f"{job.slot.name} is busy"
        assert job.name not in self._ends_s, f"{job.name} was submitted before"
        self.submitted.append(job)
        self.running.append(job)
        self._ends_s[job.name] = self.now_s + (self._run_s(job) if callable(self._run_s) else self._run_s)
        if self._beats:
            self._events.append(Beat(job=job, phase="build"))

    def wait(self, timeout_s: float) -> tuple[Event, ...]:  # noqa: D102 - as `Executor`
        if not self._events:
            self._advance(self.now_s + timeout_s)
        events, self._events = tuple(self._events), []
        return events

    def now_ns(self) -> int:
        """The virtual time, so that the executor may be its user's clock."""
        return round(self.now_s * _NS_PER_S)

    def beat(self, job: Job, phase: str, done: int = 0, total: int | None = None) -> None:
        """Lets a run give a sign of life, which the next `wait` returns."""
        self._events.append(Beat(job=job, phase=phase, done=done, total=total))

    def finish(self, job: Job, outcome: Outcome) -> None:
        """Ends a run at once, as the death of its node would; the next `wait` returns it."""
        self.running.remove(job)
        self._events.append(Finished(job=job, outcome=outcome))

    def _advance(self, latest_s: float) -> None:
        """To the first moment at which runs end, or until there is nothing more to wait for."""
        ends = sorted(self.running, key=lambda job: self._ends_s[job.name])
        for end_s, group in itertools.groupby(ends, key=lambda job: self._ends_s[job.name]):
            if end_s > latest_s:
                break
            self.now_s = max(self.now_s, end_s)
            for job in group:
                outcome = self._script(job)
                if outcome is None:
                    self._ends_s[job.name] = float("inf")
                else:
                    self.finish(job, outcome)
            if self._events:
                return
        self.now_s = latest_s
