"""A Ray head node, by default on loopback, in a session of its own beside any other Ray on the host."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from embedded.http import request_json
from embedded.machines import Machine
from embedded.ports import LOOPBACK, free_ports
from embedded.processes import EndedError, Part

# A unix socket's path holds 107 bytes, and Ray appends about 65 of its own to its temporary folder.
LONGEST_TEMP_DIR = 38
# On Linux Ray replaces 127.0.0.1 by the host's outer address and listens there, unless it is told that this host is
# no member of a cluster (the setting's name comes from the systems where that is the default).
LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
# Below `uv run` Ray makes the current folder every job's working_dir (_private/runtime_env/uv_runtime_env_hook.py). Of
# the head that is the folder with Ray's own session, which it would then zip into itself until the disk is full.
NO_UV_HOOK = {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}


class RayHead(Part):
    """`ray start --head --block`.

    environment: variables of the head, which its jobs inherit (credentials of the object store, above all).
    num_cpus: CPUs that Ray hands out, whatever the host has.
    auth_token: when given, every request needs `Authorization: Bearer TOKEN`.
    object_store_memory: bytes.
    memory, num_gpus: what Ray hands out; by default what the host has.
    machine: where it runs; by default here.

    Ray's session files are in `temp_dir`: inside `folder` if the path is short enough, else a short folder elsewhere,
    which `stop` removes.
    """

    name = "ray"
    start_timeout = 120.0
    stop_grace = 1.0  # SIGTERM ends the workers and the dashboard, and neither `ray start` nor the raylet

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        num_cpus: int = 2,
        auth_token: str | None = None,
        object_store_memory: int = 1 << 30,
        memory: int | None = None,
        num_gpus: int | None = None,
        machine: Machine | None = None,
    ) -> None:
        super().__init__(folder)
        self._environment = dict(environment or {})
        self.num_cpus = num_cpus
        self.auth_token = auth_token
        self.object_store_memory = object_store_memory
        self.memory = memory
        self.num_gpus = num_gpus
        self._machine = machine
        self._ports = free_ports(11)
        self._host = machine.address if machine else LOOPBACK
        self.gcs_address = f"{self._host}:{self._ports[0]}"
        self.dashboard_url = f"http://{self._host}:{self._ports[1]}"
        self.metrics_address = f"{self._host}:{self._ports[5]}"
        self.client_address = f"ray://{self._host}:{self._ports[8]}"
        inside = folder / "ray"
        self._outside = len(str(inside)) > LONGEST_TEMP_DIR
        self.temp_dir = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp")) if self._outside else inside

    def command(self) -> list[str]:
        names = ["port", "dashboard-port", "dashboard-agent-listen-port", "dashboard-agent-grpc-port"]
        names += ["runtime-env-agent-port", "metrics-export-port", "node-manager-port", "object-manager-port"]
        names += ["ray-client-server-port"]
        start = [
            *("ray", "start", "--head", "--block", "--disable-usage-stats", "--log-color=false"),
            # Nothing here needs an autoscaler, or the lines of workers on a driver's output: the two processes would
            # take a tenth of a core between them.
            *("--no-monitor", "--include-log-monitor=false"),
            f"--node-ip-address={self._host}",
            f"--dashboard-host={self._host}",
            f"--num-cpus={self.num_cpus}",
            f"--object-store-memory={self.object_store_memory}",
            *([] if self.memory is None else [f"--memory={self.memory}"]),
            *([] if self.num_gpus is None else [f"--num-gpus={self.num_gpus}"]),
            f"--temp-dir={self.temp_dir}",
            *(f"--{name}={port}" for name, port in zip(names, self._ports[:9], strict=True)),
        ]
        return self._machine.command(start) if self._machine else start

    def environment(self) -> dict[str, str]:
        return {
            **self._environment,
            **self._authentication(),
            **self._network(),
            **NO_UV_HOOK,
            "RAY_USAGE_STATS_ENABLED": "0",
            "AUTOSCALER_METRIC_PORT": str(self._ports[9]),
            "DASHBOARD_METRIC_PORT": str(self._ports[10]),
            "TMPDIR": str(self.temp_dir),
        }

    def client_environment(self) -> dict[str, str]:
        """What a program needs in its environment to use this head: `RAY_ADDRESS`, and the token if there is one."""
        return {"RAY_ADDRESS": self.gcs_address, **self._authentication(), **self._network(), **NO_UV_HOOK}

    def _network(self) -> dict[str, str]:
        return {} if self._machine else LOOPBACK_ONLY

    def _authentication(self) -> dict[str, str]:
        if self.auth_token:
            return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.auth_token}
        # Said aloud, because a token file in the user's home would turn it on.
        return {"RAY_AUTH_MODE": "disabled"}

    def headers(self) -> dict[str, str]:
        """HTTP headers that the dashboard and the Jobs API ask for."""
        return {"Authorization": f"Bearer {self.auth_token}"} if self.auth_token else {}

    def prepare(self) -> None:
        self.temp_dir.mkdir(parents=True, exist_ok=True)
        # A head that was killed wrote its address there. A node of its cluster on this machine has it in its command
        # line, so that Ray would take the head for alive.
        (self.temp_dir / "ray_current_cluster").unlink(missing_ok=True)

    def serves(self) -> bool:
        # A job is run by the node's agent, which comes up after the dashboard: without it a submission is an error.
        agent = f"http://{self._host}:{self._ports[2]}/api/local_raylet_healthz"
        request_json("GET", f"{self.dashboard_url}/api/jobs/", headers=self.headers(), timeout=2)
        request_json("GET", agent, headers=self.headers(), timeout=2)
        return True

    def start(self) -> Self:
        try:
            return super().start()
        except EndedError:
            # Ray gives its raylet 30 seconds (ray/_private/node.py), too few on a machine that starts Airflow at the
            # same time. The second time its files are in memory and Airflow's start is mostly over.
            return super().start()

    def stop(self) -> None:
        super().stop()
        if self._outside:
            shutil.rmtree(self.temp_dir, ignore_errors=True)
