"""Ends a run whose cluster is gone: its head stays away, or the node of the run's own process is lost.

Ray ends a driver whose head does not answer for a minute, without a word. One whose own node is lost it lets wait for
ever (ray#20239), while the lease of that run keeps the next one waiting, too. So the process ends itself, with a
sentence and the exit code for what cannot be reached: Airflow tries again, and the next run resumes from the ledger.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from ingest.common.errors import UnreachableError
from ingest.common.waiting import watching
from ingest.run.script import end_at_once

RAY_PATIENCE = "RAY_gcs_rpc_server_reconnect_timeout_s"
RAY_SECONDS = 60.0
"""The variable with the seconds for which Ray waits for a head, and its default."""

EARLIER_SECONDS = 5.0
"""How much earlier than Ray this process ends."""

LOST_SECONDS = 10.0
"""How long the own node is not among the living ones before it counts as lost. Ray takes none back."""

SILENT_SECONDS = 10.0
"""How long a silent head is not worth a line, and the seconds between two lines."""

ASK_SECONDS = 2.0

LONGEST_SECONDS = 3 * ASK_SECONDS
"""The most seconds between two looks that count: a process that was paused has asked nobody meanwhile."""


@contextmanager
def ended_with_cluster(say: Callable[[str], None]) -> Iterator[None]:
    """End the process during the block if its cluster is gone; to be used while it is connected to Ray."""
    import ray

    context = ray.get_runtime_context()
    patience = max(float(os.environ.get(RAY_PATIENCE, RAY_SECONDS)) - EARLIER_SECONDS, SILENT_SECONDS)
    watch = ClusterWatch(context.get_node_id(), patience, lambda: listens(context.gcs_address), say, end_at_once)

    def ask() -> bool:
        with suppress(Exception):  # no answer
            watch.hear(ray.nodes())
        return False

    def look() -> bool:
        watch.look()
        return False

    # Ray waits for an answer as long as the head is away, so another thread looks whether one has come.
    with watching(ask, ASK_SECONDS, "ask-cluster"), watching(look, ASK_SECONDS, "watch-cluster"):
        yield


def listens(address: str) -> bool:
    """Whether a server at `host:port` takes connections: one that is only busy answers later."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ASK_SECONDS).close()
    except OSError:
        return False
    return True


class ClusterWatch:
    """Decides from the answers of a cluster's head, and from their absence, when a run is over.

    Args:
        own: the id of the node of this process.
        patience: seconds for which a head that does not listen may be silent.
        listens: whether it does.
        end: called with the error that ends the run.
        clock: the time in seconds.
    """

    def __init__(
        self,
        own: str,
        patience: float,
        listens: Callable[[], bool],
        say: Callable[[str], None],
        end: Callable[[UnreachableError], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own, self._patience, self._listens = own, patience, listens
        self._say, self._end, self._clock = say, end, clock
        self._there = self._looked = clock()
        self._silent, self._due = 0.0, SILENT_SECONDS

    def hear(self, nodes: Iterable[Mapping[str, Any]]) -> None:
        """Take an answer: the nodes as `ray.nodes()` returns them."""
        if self._due > SILENT_SECONDS:
            self._say("the head of the Ray cluster answers again")
        self._silent, self._due = 0.0, SILENT_SECONDS
        if any(node["NodeID"] == self._own and node["Alive"] for node in nodes):
            self._there = self._clock()
        elif self._clock() - self._there >= LOST_SECONDS:
            self._end(
                UnreachableError(
                    "the Ray cluster has lost the node on which this run began, and the run with it; run again: the "
                    "next run resumes from there"
                )
            )

    def look(self) -> None:
        """Look how long the head has been silent."""
        now = self._clock()
        self._silent += min(now - self._looked, LONGEST_SECONDS)
        self._looked, silent = now, self._silent
        if silent >= self._patience and not self._listens():
            self._end(
                UnreachableError(
                    f"the head of the Ray cluster has not answered for {silent:.0f} s; see that it runs, or is "
                    "replaced, and run again: the next run resumes from there"
                )
            )
        elif silent >= self._due:
            self._due += SILENT_SECONDS
            self._say(
                f"{silent:5.0f} s  the head of the Ray cluster does not answer; this run waits for it for "
                f"{self._patience:.0f} s"
            )
