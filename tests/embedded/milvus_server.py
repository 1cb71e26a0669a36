"""A real Milvus standalone server with authorization: the last release that a package carries (2.3.5)."""

import fcntl
import os
import socket
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.ports import free_ports
from embedded.processes import Part

TOKEN = "root:Milvus"


@contextmanager
def only_one() -> Iterator[None]:
    """Waits until no other user of this function on this host has a server: etcd's peer port is fixed."""
    with (Path(tempfile.gettempdir()) / f"embedded-milvus-server-{os.getuid()}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class MilvusServer(Part):
    """Milvus standalone with authorization; the user is root with the password Milvus. One per host: see `only_one`.

    upsert_rate: MB/s into one collection, above which upserts are refused for the moment; None: as fast as it can.
    """

    name = "milvus-server"
    start_timeout = 180.0
    stop_grace = 0.5  # SIGTERM does not end it

    def __init__(self, folder: Path, upsert_rate: float | None = None) -> None:
        from milvus import MilvusServerConfig, _initialize_data_files

        super().__init__(folder)
        self._upsert_rate = upsert_rate
        self._config = MilvusServerConfig(data_dir=str(folder))
        self._config.try_bind_port = self._bind  # its own check stumbles over ports in TIME_WAIT
        port, self._metrics_port = free_ports(2)
        self._config.configs["proxy_port"] = port
        self._config.set("authorization_enabled", True)
        self._config.resolve()
        _initialize_data_files(self._config.base_data_dir)
        self._programs = f"{self._config.base_data_dir}/bin"
        self.uri = f"http://127.0.0.1:{port}"

    @staticmethod
    def _bind(port: int) -> socket.socket | None:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            return None

    def command(self) -> list[str]:
        return ["env", "-C", self._config.base_data_dir, f"{self._programs}/milvus", "run", "standalone"]

    def environment(self) -> dict[str, str]:
        limits = {
            "QUOTAANDLIMITS_DML_ENABLED": "true",
            "QUOTAANDLIMITS_DML_UPSERTRATE_COLLECTION_MAX": str(self._upsert_rate),
        }
        return {
            **(limits if self._upsert_rate else {}),
            "LD_LIBRARY_PATH": self._programs,
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self._metrics_port),
            "MILVUS_RUN_DIR": f"{self._config.base_data_dir}/run",
        }

    def serves(self) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/healthz", timeout=2) as answer:
            return answer.read() == b"OK"
