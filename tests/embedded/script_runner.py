"""Python scripts in processes of their own that begin with their libraries imported.

A job script's driver spends 5 to 30 seconds of CPU on importing Ray, pymilvus and their kind. Here one process
imports them once and forks for each script: the script has its own arguments, environment, output, signals and exit
code, as if Python had started it. Settings that a library reads when it is imported are those of `IMPORT_SETTINGS`.
"""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from embedded.processes import Part
from embedded.ray_head import LOOPBACK_ONLY, NO_UV_HOOK

SERVER = Path(__file__).with_name("script_server.py")
LIBRARIES = (
    *("av", "boto3", "numpy", "pyarrow", "pymilvus", "pymupdf", "ray", "ray.data", "semantic_text_splitter"),
    *("ftfy", "tokenizers"),
)


# What ingest.run.script.finish sets before it imports them, and what a head on loopback asks for (`RayHead`).
IMPORT_SETTINGS = {
    "GRPC_ENABLE_FORK_SUPPORT": "0",
    "GRPC_VERBOSITY": "NONE",
    "RAY_AUTH_MODE": "disabled",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",
    **LOOPBACK_ONLY,
    **NO_UV_HOOK,
}


class ScriptRunner(Part):
    """Runs scripts; see the module. `launch` it early: it serves after half a minute, and `run` waits for that."""

    name = "script-runner"
    start_timeout = 180.0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._sockets = Path(tempfile.mkdtemp(prefix="scripts-", dir="/tmp"))  # a socket's path holds 107 bytes
        self._socket = self._sockets / "socket"

    def command(self) -> list[str]:
        return [sys.executable, "-u", str(SERVER), str(self._socket), *LIBRARIES]

    def environment(self) -> Mapping[str, str]:
        return IMPORT_SETTINGS

    def serves(self) -> bool:
        self._connect().close()
        return True

    def ended(self) -> None:
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self._socket))
        return connection

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], timeout: float = 300.0
    ) -> subprocess.CompletedProcess[str]:
        """Run `command`, a script's path (or `-c` and a program) and its arguments, in exactly this environment.

        Raises TimeoutError, and StartError where the libraries cannot be imported.
        """
        self.wait()
        with tempfile.TemporaryDirectory(dir=self.folder) as folder, self._connect() as connection:
            outputs = [Path(folder) / name for name in ("stdout", "stderr")]
            request = {"command": [*command], "environment": {**environment}, "outputs": [*map(str, outputs)]}
            connection.settimeout(timeout)
            connection.sendall(json.dumps(request).encode() + b"\n")
            code = int(connection.makefile().readline())
            stdout, stderr = (path.read_text(errors="replace") for path in outputs)
        return subprocess.CompletedProcess([*command], code, stdout, stderr)
