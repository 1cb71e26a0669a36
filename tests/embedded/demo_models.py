"""The demo's models, made by a process of their own while the other parts start."""

import json
import subprocess
import sys
import threading
from pathlib import Path

from embedded.processes import base_environment
from embedded.progress import Progress

HUB_MODELS = {"embedding": "intfloat/multilingual-e5-small", "clip": "ViT-B-32", "whisper": "tiny"}
STEP = "models"


class ModelError(RuntimeError):
    """The models could not be made."""


class PackagedModels:
    """Small real models out of installed packages; the one for images is a stand-in, which is built once per user.

    log: receives the errors of the process.
    """

    def __init__(self, log: Path, progress: Progress) -> None:
        self._log = log
        self._progress = progress
        self._process: subprocess.Popen[str] | None = None
        self._output = ""
        self._reader = threading.Thread(target=self._read, daemon=True)

    def start(self) -> None:
        self._progress.step(STEP, "taken from packages; the first run builds a stand-in for CLIP for a minute")
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "embedded.models"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=Path(__file__).parent.parent,
                env=base_environment(),
            )
        self._reader.start()

    def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        self._output = self._process.stdout.read()
        if self._process.wait() == 0:
            self._progress.end(
                STEP, "multilingual-e5-small, Whisper tiny.en, and for images a stand-in, which is not CLIP"
            )

    def paths(self) -> dict[str, str]:
        """Wait for the models; returns their paths by role. Raises ModelError."""
        while self._reader.is_alive():
            self._reader.join(0.5)  # a join without a timeout would not let Ctrl-C through on every platform
        assert self._process is not None
        if self._process.returncode != 0:
            self._progress.end(STEP, "could not be made", failed=True)
            raise ModelError(f"the models could not be made\n{self._log.read_text()[-2000:]}")
        paths: dict[str, str] = json.loads(self._output.splitlines()[-1])
        return paths

    def stop(self) -> None:
        """End the process if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
