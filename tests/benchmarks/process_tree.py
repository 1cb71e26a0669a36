"""The CPU seconds and the memory of groups of processes, sampled while they run.

A process that ends between two samples takes with it the CPU seconds since the last one: on average half the time
between two samples.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

import psutil

CPU_SECONDS, MEMORY_SECONDS = 0.5, 2.0
"""Times between two samples. Linux counts a process's share of memory in milliseconds, its CPU time in none."""

Group = Callable[[], Iterable[psutil.Process]]
"""Returns the processes of a group that live now."""


@dataclass
class Usage:
    """What a group took.

    Attributes:
        cpu_seconds: of all its processes.
        peak: bytes of memory of all its processes together, shared pages counted once, at the worst sample.
        samples: for each process that computed since the last sample: seconds since the start, its id, a few words
            that tell what it is at the time, and the CPU seconds since the last sample.
    """

    cpu_seconds: float = 0.0
    peak: int = 0
    samples: list[tuple[float, int, str, float]] = field(default_factory=list)


class ProcessTree:
    """Samples groups of processes from a thread, from the beginning of its `with` block to its end.

    Args:
        weighed: the groups whose memory is measured.
    """

    def __init__(self, groups: Mapping[str, Group], weighed: Iterable[str]) -> None:
        self._groups, self._weighed = groups, tuple(weighed)
        self.usage = {name: Usage() for name in groups}
        self._seen: dict[tuple[int, float], float] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._sample(first=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sample()
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        memory_at = 0.0
        while not self._done.wait(CPU_SECONDS):
            self._sample()
            if (now := time.monotonic()) >= memory_at:
                memory_at = now + MEMORY_SECONDS
                self._sample_memory()

    def _sample(self, first: bool = False) -> None:
        now = time.monotonic() - self._started
        for name, group in self._groups.items():
            usage = self.usage[name]
            for process in group():
                try:
                    key = (process.pid, process.create_time())
                    times = process.cpu_times()
                    words = label(process.cmdline())
                except psutil.Error:
                    continue
                total = times.user + times.system
                before = self._seen.get(key, total if first else 0.0)
                self._seen[key] = total
                if total > before:
                    usage.cpu_seconds += total - before
                    usage.samples.append((now, process.pid, words, total - before))

    def _sample_memory(self) -> None:
        for name in self._weighed:
            total = 0
            for process in self._groups[name]():
                try:
                    info = process.memory_full_info()
                except psutil.Error:
                    continue
                total += getattr(info, "pss", info.rss)  # only Linux divides shared pages
            self.usage[name].peak = max(self.usage[name].peak, total)


def label(command: list[str]) -> str:
    """A few words that tell a process from others: its title, its script or its module."""
    if not command:
        return "(ended)"
    if len(command) == 1 or not command[0].endswith(("python", "python3", "python3.11", "python3.12", "python3.13")):
        return command[0].split("/")[-1][:60]
    words = [word for word in command[1:] if word not in ("-u", "-I", "-P", "-B")]
    return " ".join(word.split("/")[-1] for word in words[:2])[:60]


def with_children(pid: int) -> list[psutil.Process]:
    """A process and all that come of it; none when it has ended."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
