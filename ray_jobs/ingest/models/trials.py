"""Try a converted model in a process of its own, which OpenVINO may end.

With bfloat16 it divides by zero while it compiles small decoders such as Qwen3, and so would end the actor and its
successors.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from ingest.common.cpu_inference import CpuSession, core
from ingest.common.errors import JobError, ObjectError
from ingest.common.failures import Failure
from ingest.common.limits import Limits
from ingest.common.sandbox import Sandbox
from ingest.common.text import one_line
from ingest.models.conversion_errors import NoRoomError, NotConvertibleError

_LIMITS = Limits(seconds=900.0, memory_bytes=1 << 46)
"""Of each pass. The system's own limit of memory counts: it ends the child, since that gives way to its parent."""


class TrialSession:
    """A `CpuSession` in a child process."""

    def __init__(self, path: Path, threads: int, precision: str) -> None:
        self._model = (path, threads, precision)
        try:
            self._sandbox = Sandbox(_prepare, _LIMITS)
        except JobError as error:
            raise NoRoomError(str(error)) from None

    def run(self, **inputs: np.ndarray) -> np.ndarray:
        """As `CpuSession.run`.

        Raises:
            NotConvertibleError: OpenVINO fails, or ends the process.
            NoRoomError: the system ended the process, for which it has too little memory.
        """
        try:
            return self._sandbox.run(_run, *self._model, inputs)
        except JobError as error:
            raise NoRoomError(str(error)) from None
        except ObjectError as error:
            if error.failure == Failure.MEMORY_LIMIT or "SIGKILL" in str(error):
                raise NoRoomError("the memory of the node does not suffice to try it") from None
            raise NotConvertibleError(f"OpenVINO fails on it in {self._model[2]}: {one_line(error, 200)}") from None

    def close(self) -> None:
        """End the process."""
        self._sandbox.close()


def _prepare() -> None:
    core()


def _run(path: Path, threads: int, precision: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return _session(path, threads, precision).run(**inputs)


@lru_cache(maxsize=1)
def _session(path: Path, threads: int, precision: str) -> CpuSession:
    return CpuSession(path, threads, precision)
