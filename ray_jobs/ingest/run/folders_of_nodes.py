"""Whether the other nodes of the cluster see the local files of a run, which each node opens by its own path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ingest.common.errors import ConfigurationError
from ingest.common.text import printable
from ingest.store.listing import Ignored
from ingest.store.local_files import UNREADABLE, file_version, list_files
from ingest.store.object_store import is_s3

SECONDS = 60.0
"""The longest wait for the nodes. One that does not answer says nothing against a folder."""

NAMED = 3
"""Nodes that a sentence names."""

Files = Mapping[str, str]
"""The version of a file of each source, by its URI."""


def check_folders(sources: Sequence[str]) -> None:
    """Ask each node that may read for a file of each local source. Needs a connection to Ray.

    A node that joins later is not asked: the first object that it cannot find ends the run.

    Raises:
        ConfigurationError: a node lacks a file, or has another one under its path.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    local = {source: files for source in sources if not is_s3(source) and (files := _first_file(source))}
    here = ray.get_runtime_context().get_node_id()
    others = [
        node for node in ray.nodes() if node["Alive"] and node["NodeID"] != here and node["Resources"].get("CPU", 0)
    ]
    if not local or not others:
        return
    wanted = {uri: version for files in local.values() for uri, version in files.items()}
    task = ray.remote(unseen)
    asked = {}
    for node in others:
        where = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        asked[task.options(num_cpus=0, max_retries=0, scheduling_strategy=where).remote(wanted)] = node
    answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=SECONDS)
    missing = {name_of(asked[answer]): found for answer in answered if (found := _result(answer))}
    # A file that has changed meanwhile has changed here too.
    missing = {node: still for node, found in missing.items() if (still := found - unseen(wanted))}
    if missing:
        source = next(source for source, files in local.items() if set(files) & set().union(*missing.values()))
        raise ConfigurationError(sentence(source, list(missing)))


def unseen(wanted: Files) -> set[str]:
    """The files that this node lacks, or of which it has another version."""
    return {uri for uri, version in wanted.items() if _version(uri) != version}


def name_of(node: Mapping[str, Any]) -> str:
    """The name of a node for people."""
    return str(node.get("NodeManagerHostname") or node.get("NodeManagerAddress") or node["NodeID"])


def sentence(source: str, nodes: Sequence[str]) -> str:
    """Why a source cannot be read, where some nodes do not see it."""
    more = len(nodes) - NAMED
    named = ", ".join(nodes[:NAMED]) + (f" and {more} more" if more > 0 else "")
    return (
        f"--source {printable(source)!r}: not every node of the cluster sees these files (not {named}); put them into "
        "an object store, or on a disk that every node has under this path"
    )


def _first_file(source: str) -> Files:
    """A file of the source that can be opened; none if there is none."""
    found = (file for file in list_files(source, Ignored()) if file.version != UNREADABLE)
    return next(({file.source: file.version} for file in found), {})


def _version(uri: str) -> str:
    try:
        return file_version(Path(uri.removeprefix("file://")).stat())
    except OSError:
        return ""


def _result(answer: Any) -> set[str]:
    import ray

    try:
        found: set[str] = ray.get(answer)
        return found
    except ray.exceptions.RayError:  # the node is gone
        return set()
