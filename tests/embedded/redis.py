"""A Redis server on loopback, in which a Ray head keeps its tables."""

import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from embedded.ports import free_ports
from embedded.processes import Part


def installed() -> bool:
    """Whether this machine has the server (Debian's package `redis-server`)."""
    return shutil.which("redis-server") is not None


class Redis(Part):
    """`redis-server`, which keeps everything in memory."""

    name = "redis"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (self.port,) = free_ports(1)

    def command(self) -> list[str]:
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        return ["redis-server", *where, "--save", ""]

    def serves(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")

    def head_environment(self) -> Mapping[str, str]:
        """What a Ray head needs in its environment to keep its tables here."""
        return {"RAY_REDIS_ADDRESS": f"127.0.0.1:{self.port}"}
