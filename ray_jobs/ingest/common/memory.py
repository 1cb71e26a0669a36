"""The memory that a process may still take on this machine, or in this container."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

RAY_SHARE = 0.95
"""Of all memory, the share in use at which Ray ends a worker (`RAY_memory_usage_threshold`)."""

_ROOT = Path("/")

_FILES = ("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")
"""The limit of a group of processes and its use, in both versions of cgroups."""


def spare_memory(root: Path = _ROOT) -> int | None:
    """Bytes that a process may take before the system or Ray ends one; None where the system does not tell.

    Args:
        root: the root of the file system.
    """
    spare = [free - int((1 - RAY_SHARE) * total) for total, free in _limits(root)]
    return max(0, min(spare)) if spare else None


def _limits(root: Path) -> Iterator[tuple[int, int]]:
    """The whole and the free memory of the machine, and of each group of processes with a limit that this one is in."""
    machine = _table(root / "proc/meminfo")
    if "MemTotal:" in machine and "MemAvailable:" in machine:
        yield machine["MemTotal:"] * 1024, machine["MemAvailable:"] * 1024
    for group in _groups(root):
        for names in _FILES:
            limit, used = (_number(group / name) for name in names)
            if limit is not None and used is not None:
                contents = _table(group / "memory.stat")
                # What the system keeps of files goes when it is needed.
                files = sum(contents.get(kind, 0) for kind in ("inactive_file", "active_file"))
                yield limit, limit - used + files


def _groups(root: Path) -> Iterator[Path]:
    """The folders of this process' group and of those that it is in, in both versions of cgroups."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            base = root / "sys/fs/cgroup" / controllers
            own = Path(path.lstrip("/"))
            # In a container, the path may be that of the host, and the group is the root there.
            yield from (base / part for part in (own, *own.parents))


def _table(path: Path) -> dict[str, int]:
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return {}
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}


def _number(path: Path) -> int | None:
    """None for a file that is missing, or that names no limit."""
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
