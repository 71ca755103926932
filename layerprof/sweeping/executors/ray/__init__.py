"""The executor ``ray``: runs on the nodes of a Ray cluster, one at a time on each.

    slots()    the nodes' devices, as their drivers name them (members)
    submit()   a task pinned to the slot's node, which takes all its CPUs, and for a GPU cell all its GPUs (node)
    wait()     the tasks' messages: signs of life, then the outcome as files, which are written here

Ray is transport, membership and the detection of failures. What is measured where, and what is tried again, the engine
decides, as for any executor; the measuring is done by a process of the cell's own, as on one machine. Nodes need the
same layerprof and the same packages; they need no common file system.

Limits:
    The node that the sweep itself runs on is one of the nodes unless it was started with ``--num-cpus=0``. Ray gives
    a run its node when nobody else's tasks hold CPUs there.
    A worker of Ray that is killed, and not told to stop, leaves its temporary folder (``layerprof-run-…``) on its node
    until the next run there; a sweep that is killed leaves that of its own cluster (``lpray-…``), until the next such
    cluster. After SIGKILL of such a sweep, two agents of Ray's live on for up to a minute.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerprof.errors import InputError, RecordError, UnavailableError
from layerprof.ledger import Outcome, read_outcome
from layerprof.records import CellFailure
from layerprof.sweeping.base import Beat, Event, Finished, Job, Slot
from layerprof.sweeping.executors.base import ExecutorOptions
from layerprof.sweeping.executors.ray.base import (
    Brought,
    Errand,
    Message,
    Sign,
    Surroundings,
    unpack,
    without_result,
)
from layerprof.sweeping.executors.ray.cluster import connected
from layerprof.sweeping.executors.ray.endings import failure_of_worker, has_lost_its_node, overdue_s
from layerprof.sweeping.executors.ray.members import Members, Node

__all__ = ["RayExecutor", "ray_executor"]

_FIRST_ANSWERS_S = 60.0  # a node imports layerprof and asks its driver; over a slow file system it takes a while
_FETCH_S = 60.0  # for an outcome that is there to arrive
_STOP_S = 10.0  # for runs to end when they are cancelled, before their workers are killed


@contextmanager
def ray_executor(devices: tuple[str, ...], options: ExecutorOptions) -> Iterator[RayExecutor]:
    """Measures on the nodes of a Ray cluster; the end of the context stops what still runs, and leaves the cluster.

    Args:
        devices: that the plan's cells ask for.
        options: how cells are run; their entry has to be importable on the nodes. The address is of the cluster's
            head; None is ``RAY_ADDRESS``, else the cluster that ``ray start`` has started on this machine, else one
            of this machine alone that ends with the sweep. Not used are their slots, which the nodes tell themselves,
            and whether runs are exclusive: a node always measures one at a time.

    Raises:
        UnavailableError: when Ray is not installed, the cluster does not answer, or no node of it can be used.
    """
    with connected(options.address):
        executor = RayExecutor(devices, options)
        try:
            executor.await_first_slots(_FIRST_ANSWERS_S)
            yield executor
        finally:
            executor.stop()


@dataclass(slots=True, kw_only=True)
class _Run:
    """A run that was submitted.

    Attributes:
        job: the run.
        node: its node.
        messages: Ray's stream of them; None while another run of the node is on.
        began_s: when its node began with it; None while it waits, as long as it takes, for other people's tasks there.
    """

    job: Job
    node: Node
    messages: Any = None
    began_s: float | None = None


class RayExecutor:
    """As `Executor`; Ray has to be connected.

    Args:
        devices: that the plan's cells ask for.
        options: how cells are run.
    """

    def __init__(self, devices: tuple[str, ...], options: ExecutorOptions) -> None:
        import ray

        # By their modules' names, so that only names travel; the modules load what a driver of a sweep does not need.
        from layerprof.sweeping.executors.ray.node import look, run

        self._options, self._surroundings = options, Surroundings.here()
        self._look = ray.remote(max_retries=0)(look)  # whose worker may take the first run: another needs a second
        self._measure = ray.remote(max_calls=1, max_retries=0, num_returns="streaming")(run)
        self._members = Members(devices, self._surroundings, self._ask)
        self._runs: list[_Run] = []

    @property
    def problems(self) -> tuple[str, ...]:
        """Why nodes of the cluster are not used, a line each."""
        return tuple(self._members.problems.values())

    def await_first_slots(self, timeout_s: float) -> None:
        """Returns when all nodes that are there have told their devices.

        Raises:
            UnavailableError: when there are nodes, and none of them can be used.
        """
        import ray

        deadline_s = time.monotonic() + timeout_s
        self._members.slots()
        while (awaited := self._members.awaited()) and time.monotonic() < deadline_s:
            ready, _ = ray.wait(awaited, num_returns=1, timeout=1.0)
            self._members.take_in(ready)
        if not self._members.slots() and self.problems:
            raise UnavailableError(f"no node of the Ray cluster can be used: {'; '.join(self.problems)}")

    def slots(self) -> tuple[Slot, ...]:  # noqa: D102 - as `Executor`
        return self._members.slots()

    def submit(self, job: Job) -> None:
        """Starts a run on its slot; it waits here while its node has another, on another of its slots."""
        node = self._members.node_of(job.slot)
        if node is None:  # it died between the engine's look and now
            node = Node(id="", host=job.slot.host, cpus=0.0, gpus=0.0)
        self._runs.append(_Run(job=job, node=node))
        self._start_next(node)

    def wait(self, timeout_s: float) -> tuple[Event, ...]:  # noqa: D102 - as `Executor`
        import ray

        lost = self._give_up_lost()
        if lost:
            return lost
        streams = {run.messages: run for run in self._runs if run.messages is not None}
        awaited = [*streams, *self._members.awaited()]
        if not awaited:
            time.sleep(timeout_s)
            return ()
        ready, _ = ray.wait(awaited, num_returns=1, timeout=timeout_s)
        if ready:
            ready, _ = ray.wait(awaited, num_returns=len(awaited), timeout=0)
        self._members.take_in([one for one in ready if one not in streams])
        events = (self._event_of(streams[one]) for one in ready if one in streams)
        return tuple(event for event in events if event is not None)

    def stop(self) -> None:
        """Ends what runs: cells are killed by their workers, then, after a while, workers by Ray."""
        import ray

        streams = [run.messages for run in self._runs if run.messages is not None]
        self._runs.clear()
        if not ray.is_initialized():
            return
        for stream in streams:
            ray.cancel(stream)
        deadline_s = time.monotonic() + _STOP_S
        while streams and time.monotonic() < deadline_s:
            ready, _ = ray.wait(streams, num_returns=1, timeout=1.0)
            streams = [stream for stream in streams if stream not in ready or _goes_on(stream)]
        for stream in streams:
            ray.cancel(stream, force=True)

    def _ask(self, node: Node, kind: str, surroundings: Surroundings) -> Any:
        """Lets a node tell its devices; GPUs are hidden from a task that holds none."""
        cpus, gpus = 0.0, node.gpus if kind == "cuda" else 0.0
        return self._look.options(num_cpus=cpus, num_gpus=gpus, **_pinned(node)).remote(kind, surroundings, cpus)

    def _start_next(self, node: Node) -> None:
        """Hands the node's next run to Ray, unless it has one."""
        runs = [run for run in self._runs if run.node == node]
        if not node.id or not runs or any(run.messages is not None for run in runs):
            return
        run = runs[0]
        errand = Errand(job=run.job, options=self._options, surroundings=self._surroundings, cpus=node.cpus)
        gpus = node.gpus if run.job.slot.device.startswith("cuda") else 0.0
        task = self._measure.options(num_cpus=node.cpus, num_gpus=gpus, name=run.job.name, **_pinned(node))
        run.messages = task.remote(errand)

    def _event_of(self, run: _Run) -> Event | None:
        """The next message of a run as an event; None for one that the engine need not know of."""
        try:
            message = _next_of(run.messages)
        except Exception as error:
            if has_lost_its_node(error):
                self._members.strike(run.node)
            return self._ended(run, without_result(run.job, failure_of_worker(error, run.node.host)))
        if isinstance(message, Sign):
            return Beat(job=run.job, phase=message.phase, done=message.done, total=message.total)
        if isinstance(message, Brought):
            return self._ended(run, _outcome_of(run.job, message))
        run.began_s = time.monotonic()
        return None

    def _ended(self, run: _Run, outcome: Outcome) -> Finished:
        self._runs.remove(run)
        self._start_next(run.node)
        return Finished(job=run.job, outcome=outcome)

    def _give_up_lost(self) -> tuple[Event, ...]:
        """Ends runs that Ray will not tell of: of the node that this process itself sits on, when that one dies."""
        import ray

        events = []
        for run in tuple(self._runs):
            reason = self._loss_of(run)
            if reason is not None:
                if run.messages is not None:
                    ray.cancel(run.messages, force=True)
                failure = CellFailure(kind="worker_lost", text=reason)
                events.append(self._ended(run, without_result(run.job, failure)))
        return tuple(events)

    def _loss_of(self, run: _Run) -> str | None:
        if not run.node.id or not self._members.is_there(run.node):
            return f"the node {run.node.host} has left the cluster"
        silent_s = overdue_s(run.began_s, run.job.limits.timeout_s, now_s=time.monotonic())
        return None if silent_s is None else f"the node {run.node.host} gave no answer for {silent_s:.0f} s"


def _pinned(node: Node) -> dict[str, Any]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node.id, soft=False)}


def _next_of(messages: Any) -> Message:
    """The next message of a run's stream.

    Raises:
        Exception: Ray's own for what went wrong, whatever it is.
    """
    import ray

    try:
        reference = next(messages)
    except StopIteration:
        raise RecordError("the run ended without an outcome") from None
    message: Message = ray.get(reference, timeout=_FETCH_S)
    return message


def _goes_on(messages: Any) -> bool:
    """Whether there may be more in a stream, of which one message is taken."""
    try:
        return not isinstance(_next_of(messages), Brought)
    except Exception:
        return False


def _outcome_of(job: Job, brought: Brought) -> Outcome:
    folder = Path(job.folder)
    try:
        unpack(brought, folder)
        outcome = read_outcome(folder)
    except (OSError, InputError, RecordError) as error:
        return without_result(job, CellFailure(kind="worker_lost", text=f"its outcome cannot be kept or read: {error}"))
    missing = CellFailure(kind="worker_lost", text=f"the node {job.slot.host} sent no outcome")
    return without_result(job, missing) if outcome is None else outcome
