"""Runs of `sleeping_run` on clusters of several Ray nodes on this machine."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.processes import base_environment

TESTS = Path(__file__).parent
PROGRAM = TESTS / "sleeping_run.py"
PYTHONPATH = f"{TESTS.parent / 'ray_jobs'}:{TESTS}"
"""What the nodes of a cluster need in their environment."""


class SleepingRun:
    """A run that goes on in a process of its own. `lines` is what it has printed, each with its time."""

    def __init__(self, head, milvus, folder, prefix, flags=(), parse=0.2, model=0.2, stages=1, environment=None):
        arguments = ["--source", str(folder), "--milvus-uri", milvus.uri, "--collection", prefix, *flags]
        self.began = time.monotonic()
        self.lines = []
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(parse), str(model), str(stages), *arguments],
            env={**base_environment(), **head.client_environment(), "PYTHONPATH": PYTHONPATH, **(environment or {})},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append((time.monotonic() - self.began, line.rstrip()))

    @property
    def output(self):
        return "\n".join(f"{at:6.1f} {line}" for at, line in self.lines)

    def says(self, words):
        """Whether a line holds these words."""
        return any(words in line for _, line in self.lines)

    def report(self, timeout=120):
        """Wait for its end, and return its report."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.stop()
            raise AssertionError(f"the run has not ended:\n{self.output}") from None
        self._reader.join(10)
        assert code == 0, self.output
        return json.loads(self.lines[-1][1].removeprefix("REPORT "))

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self._reader.join(10)


@contextmanager
def begun_runs(milvus, folder: Path) -> Iterator[Callable[..., SleepingRun]]:
    """Gives a function that begins a run on a head over so many objects of its own; all of them are stopped at the end.

    Its other arguments are those of `SleepingRun`.
    """
    runs: list[SleepingRun] = []

    def begin(head, count, flags=(), **settings):
        name = f"jobs{len(runs)}"
        prefix = f"{folder.name}{name}_".replace("-", "_")
        source = objects(folder / name, count)
        runs.append(SleepingRun(head, milvus, source, prefix, ["--run-id", name, *flags], **settings))
        return runs[-1]

    try:
        yield begin
    finally:
        for run in runs:
            run.stop()


def objects(folder, count):
    """A folder with so many objects."""
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:05}.txt").write_text(str(number))
    return folder


def notes(path):
    """What actors and parsers have noted: what, the node, the process, and the time."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def environment(path):
    """What a head needs in its environment, with a file for the notes."""
    return {"PYTHONPATH": PYTHONPATH, "SLEEPING_RUN_NOTES": str(path)}
