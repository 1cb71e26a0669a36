"""A script as a process on the cluster: the part of a run through Ray Client that runs on a node."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO

_WAIT_SECONDS = 1.0
"""Seconds that `read` waits for output: `stop` queues behind it."""


class ScriptProcess:
    """Starts a script in the current folder; a class for an actor.

    Args:
        script: file name of the script.
        arguments: its command line.
        ray_address: `host:port` of the cluster's GCS, which the script connects to.
    """

    def __init__(self, script: str, arguments: Sequence[str], ray_address: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-u", script, *arguments],
            env={**os.environ, "RAY_ADDRESS": ray_address},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._output: queue.Queue[tuple[str, str] | None] = queue.Queue()
        for name, stream in (("stdout", self._process.stdout), ("stderr", self._process.stderr)):
            assert stream is not None
            threading.Thread(target=self._copy, args=(name, stream), daemon=True).start()
        self._open = 2

    def read(self) -> tuple[list[tuple[str, str]], int | None]:
        """Output since the last call, as pairs of `stdout` or `stderr` and a text, and the exit code at its end."""
        found: list[tuple[str, str]] = []
        try:
            item = self._output.get(timeout=_WAIT_SECONDS)
            while True:
                if item is None:
                    self._open -= 1
                else:
                    found.append(item)
                item = self._output.get_nowait()
        except queue.Empty:
            pass
        return found, self._process.wait() if not self._open else None

    def stop(self) -> None:
        """Send SIGTERM, as Ray does to a job: Ray blocks SIGINT in its processes and their children."""
        self._process.terminate()

    def _copy(self, name: str, stream: IO[bytes]) -> None:
        for line in stream:
            self._output.put((name, line.decode(errors="replace")))
        self._output.put(None)
