"""A real Ray cluster on this machine: nodes that are processes here, each with a device type of its own choosing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

STORE_BYTES = 80 * 2**20  # the least that Ray takes, or nearly


@dataclass
class SimulatedCluster:
    """A head that takes no work, and nodes of one core each."""

    cluster: Any
    variables: Mapping[str, str]
    nodes: list[Any] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Of the head, by the loopback: tests reach no other."""
        return f"127.0.0.1:{str(self.cluster.address).rpartition(':')[2]}"

    def add(self, device_type: str) -> None:
        node = self.cluster.add_node(
            num_cpus=1,
            resources={f"accelerator_type:{device_type}": 1},
            env_vars={**self.variables, "LAYERPROF_DEVICE_TYPE": device_type},
            object_store_memory=STORE_BYTES,
        )
        self.nodes.append(node)

    def kill(self, index: int) -> None:
        """The death of a node: its processes are gone at once, and nobody says so."""
        self.cluster.remove_node(self.nodes.pop(index), allow_graceful=False)


@contextmanager
def simulated_cluster(
    device_types: Sequence[str], *, set_variable: Callable[[str, str], None], variables: Mapping[str, str] | None = None
) -> Iterator[SimulatedCluster]:
    """A cluster of nodes with the given types; nothing of it is left afterwards, nor written to the home folder.

    Args:
        device_types: of the nodes.
        set_variable: of this process's environment, for the test's duration.
        variables: of the nodes' environment.
    """
    from ray.cluster_utils import Cluster

    folder = Path(tempfile.mkdtemp(prefix="lpt-", dir="/tmp"))
    (folder / "ray").mkdir()
    set_variable("RAY_TMPDIR", str(folder))
    set_variable("RAY_USAGE_STATS_ENABLED", "0")
    set_variable("RAY_AUTH_MODE", "disabled")
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    cluster: Any = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "include_dashboard": False,
            "object_store_memory": STORE_BYTES,
        },
    )
    try:
        simulated = SimulatedCluster(cluster=cluster, variables=variables or {})
        for device_type in device_types:
            simulated.add(device_type)
        yield simulated
    finally:
        cluster.shutdown()
        left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
        _, alive = psutil.wait_procs(left, timeout=10)
        for child in alive:
            child.kill()
        shutil.rmtree(folder, ignore_errors=True)
