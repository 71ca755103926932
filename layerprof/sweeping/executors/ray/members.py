"""The nodes of a Ray cluster and the slots they have: who is there, what its devices are, who is gone.

    ray.nodes() ─ a new node ─▶ look at its devices there ─▶ its slots      a node that is gone ─▶ no slots

The type of a device is what its driver says on the node itself: Ray labels a node by its first GPU alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from layerprof import __version__
from layerprof.sweeping.base import Slot
from layerprof.sweeping.executors.ray.base import Surroundings, first_line

if TYPE_CHECKING:
    from layerprof.sweeping.environments import Probed

_LOOK_S = 1.0  # between two questions to the cluster's head
_ID_DIGITS = 6  # of a node's id, beside its host's name: simulated nodes share one host
_KINDS = ("cpu", "cuda")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node as Ray describes it.

    Attributes:
        id: of this life of it: one that comes back has another.
        host: the machine's name.
        cpus, gpus: that Ray counts there; a node without CPUs takes no work.
    """

    id: str
    host: str
    cpus: float
    gpus: float


@dataclass(slots=True, kw_only=True)
class _Member:
    node: Node
    slots: dict[str, tuple[Slot, ...]] = field(default_factory=dict)  # by kind of device
    looks: dict[Any, str] = field(default_factory=dict)  # answers that are awaited, with their kind


class Members:
    """The slots of a cluster's living nodes.

    Args:
        devices: that the plan's cells ask for; nodes are asked about their kinds alone.
        surroundings: of the sweep.
        ask: the remote function `node.look`, bound to Ray.
        now_s: where time comes from.

    Attributes:
        problems: why nodes give no slots, a line each.
    """

    def __init__(
        self,
        devices: tuple[str, ...],
        surroundings: Surroundings,
        ask: Callable[[Node, str, Surroundings], Any],
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._devices = devices
        self._kinds = [kind for kind in _KINDS if kind in {device.partition(":")[0] for device in devices}]
        self._surroundings, self._ask, self._now_s = surroundings, ask, now_s
        self._members: dict[str, _Member] = {}
        self._gone: set[str] = set()
        self._looked_at_s: float | None = None
        self.problems: dict[str, str] = {}

    def slots(self) -> tuple[Slot, ...]:
        """The slots that are known now; new nodes are asked meanwhile."""
        self._look()
        return tuple(
            slot for member in self._members.values() for kind in self._kinds for slot in member.slots.get(kind, ())
        )

    def awaited(self) -> list[Any]:
        """Answers of nodes that are still to come."""
        return [look for member in self._members.values() for look in member.looks]

    def take_in(self, answers: Iterable[Any]) -> None:
        """Makes slots of answers that have come."""
        import ray

        for member in self._members.values():
            for answer in [answer for answer in answers if answer in member.looks]:
                kind = member.looks.pop(answer)
                try:
                    told = ray.get(answer)
                except Exception as error:  # whatever it is, the node cannot be used
                    self._note_problem(
                        member.node, f"{type(error).__name__}: {first_line(getattr(error, 'cause', None) or error)}"
                    )
                    continue
                if told.version != __version__:
                    self._note_problem(member.node, f"it has layerprof {told.version}, and here is {__version__}")
                    continue
                member.slots[kind] = self._slots_of(member.node, told.probed)

    def node_of(self, slot: Slot) -> Node | None:
        """The node of a slot, or None where it is gone."""
        owners = (member for member in self._members.values() for held in member.slots.values() if slot in held)
        return next((member.node for member in owners), None)

    def is_there(self, node: Node) -> bool:
        """Whether the node is alive, as far as the cluster's head knows."""
        self._look()
        return node.id in self._members

    def strike(self, node: Node) -> None:
        """Takes a node out that was found dead before the cluster's head knows."""
        self._gone.add(node.id)
        self._members.pop(node.id, None)

    def _look(self) -> None:
        import ray

        now_s = self._now_s()
        if self._looked_at_s is not None and now_s - self._looked_at_s < _LOOK_S:
            return
        self._looked_at_s = now_s
        entries: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray leaves it without types
        alive = {entry["NodeID"]: entry for entry in entries if entry["Alive"]}
        for name in [name for name in self._members if name not in alive]:
            del self._members[name]
        for name, entry in alive.items():
            if name not in self._members and name not in self._gone:
                self._welcome(_node_of(entry))

    def _welcome(self, node: Node) -> None:
        member = _Member(node=node)
        self._members[node.id] = member
        kinds = [kind for kind in self._kinds if node.cpus > 0 and (kind == "cpu" or node.gpus > 0)]
        member.looks = {self._ask(node, kind, self._surroundings): kind for kind in kinds}

    def _slots_of(self, node: Node, probed: Probed) -> tuple[Slot, ...]:
        """A slot for each type of device, and for each device that cells name: runs of one node go one at a time."""
        if not probed.devices:
            self._note_problem(node, probed.reason)
        chosen, types = [], set()
        for found in probed.devices:
            if found.device in self._devices or found.device_type not in types:
                chosen.append(found)
            types.add(found.device_type)
        name = f"{node.host}.{node.id[:_ID_DIGITS]}"
        return tuple(
            Slot(
                name=f"{name}/{found.device}",
                host=node.host,
                device=found.device,
                device_type=found.device_type,
                environment=found.environment,
            )
            for found in chosen
        )

    def _note_problem(self, node: Node, reason: str) -> None:
        self.problems[node.id] = f"{node.host}: {reason}"


def _node_of(entry: dict[str, Any]) -> Node:
    resources = entry["Resources"]
    return Node(
        id=entry["NodeID"],
        host=entry["NodeManagerHostname"],
        cpus=float(resources.get("CPU", 0.0)),
        gpus=float(resources.get("GPU", 0.0)),
    )
