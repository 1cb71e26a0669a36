"""A Redis server, by default on loopback, in which a Ray head keeps its tables."""

import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from embedded.ports import LOOPBACK, free_ports
from embedded.processes import Part


def installed() -> bool:
    """Whether this machine has the server (Debian's package `redis-server`)."""
    return shutil.which("redis-server") is not None


class Redis(Part):
    """`redis-server`, which keeps everything in memory."""

    name = "redis"

    def __init__(self, folder: Path, host: str = LOOPBACK) -> None:
        super().__init__(folder)
        self._host = host
        (self.port,) = free_ports(1)

    def command(self) -> list[str]:
        where = ["--bind", self._host, "--port", str(self.port), "--dir", str(self.folder)]
        return ["redis-server", *where, "--save", "", "--protected-mode", "no"]

    def serves(self) -> bool:
        with socket.create_connection((self._host, self.port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")

    def head_environment(self) -> Mapping[str, str]:
        """What a Ray head needs in its environment to keep its tables here."""
        return {"RAY_REDIS_ADDRESS": f"{self._host}:{self.port}"}
