"""A further node of a Ray cluster, by default on loopback beside its head."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from embedded.machines import Machine
from embedded.ports import LOOPBACK
from embedded.processes import Part
from embedded.ray_head import RayHead

# `ray start --address` refuses a cluster on loopback, as `LOOPBACK_ONLY` makes it; this is what it would start.
PROGRAM = """
import json, signal, sys
from ray._private.node import Node
from ray._private.parameter import RayParams

node = Node(RayParams(**json.loads(sys.argv[1])), head=False, shutdown_at_exit=True)
print("the node has started", flush=True)
signal.pause()
"""


class RayNode(Part):
    """A raylet that joins the head's cluster.

    resources: custom resources by name, beside `num_cpus`, `num_gpus` and `memory` in bytes.
    labels: the labels of the node.
    machine: where it runs; by default here.
    """

    name = "ray-node"
    start_timeout = 120.0
    stop_grace = 1.0

    def __init__(
        self,
        folder: Path,
        head: RayHead,
        num_cpus: int = 1,
        num_gpus: int = 0,
        memory: int = 1 << 36,
        resources: Mapping[str, float] | None = None,
        labels: Mapping[str, str] | None = None,
        machine: Machine | None = None,
    ) -> None:
        super().__init__(folder)
        self._machine = machine
        self._head = head
        self._parameters = {
            "gcs_address": head.gcs_address,
            "redis_address": head.gcs_address,
            "node_ip_address": machine.address if machine else LOOPBACK,
            "num_cpus": num_cpus,
            "num_gpus": num_gpus,
            "memory": memory,
            "object_store_memory": 1 << 28,
            "resources": dict(resources or {}),
            "labels": dict(labels or {}),
            "min_worker_port": 0,
            "max_worker_port": 0,
            "include_log_monitor": False,
            "node_manager_port": 0,
        }

    def command(self) -> list[str]:
        start = [sys.executable, "-c", PROGRAM, json.dumps(self._parameters)]
        return self._machine.command(start) if self._machine else start

    def environment(self) -> Mapping[str, str]:
        return self._head.environment()

    def serves(self) -> bool:
        return b"the node has started" in self.log.read_bytes()
