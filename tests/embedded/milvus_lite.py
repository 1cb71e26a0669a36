"""A Milvus Lite server, by default on loopback, so that several processes can use one database."""

import socket
from pathlib import Path

from embedded.ports import LOOPBACK, free_ports
from embedded.processes import Part


class MilvusLite(Part):
    """`milvus-lite server`. Data in `folder`/data; what was acknowledged survives `kill`.

    After a restart every collection is released: `load_collection` it before a search.
    """

    name = "milvus"

    def __init__(self, folder: Path, host: str = LOOPBACK) -> None:
        super().__init__(folder)
        self._host = host
        (self._port,) = free_ports(1)
        self.uri = f"http://{host}:{self._port}"

    def command(self) -> list[str]:
        data = str(self.folder / "data")
        return ["milvus-lite", "server", "--data-dir", data, "--host", self._host, "--port", str(self._port)]

    def serves(self) -> bool:
        # It opens the database before it listens, so a listening port is enough.
        with socket.create_connection((self._host, self._port), timeout=1):
            return True
