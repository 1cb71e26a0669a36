"""What the page reads: the Milvus server of the connection ``milvus_default``, the site's prefix and its root."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ray_ingest.milvus import DEFAULT_CONN_ID, SERVER, MilvusServer, milvus_server

SECONDS = 3.0
"""Seconds that a request may take by default. Somebody waits, and the API server has other work."""


@dataclass(frozen=True)
class Target:
    """A Milvus server and the site's Variables.

    :param prefix: the beginning of the names of the collections that the Dags write.
    :param root: the address below which the partitions of all pipelines are, such as ``s3://bucket``; empty if unknown.
    :param seconds: that one request to the server may take.
    """

    server: MilvusServer
    prefix: str = ""
    root: str = ""
    seconds: float = SECONDS

    def named(self, collection: str) -> str:
        """The full name of a collection, such as ``sources``."""
        return self.prefix + collection


def find_target() -> Target:
    """The target as Airflow's connection and Variable have it now; it asks the secrets backends, and blocks.

    Raises ``ValueError`` with one sentence.
    """
    from airflow.exceptions import AirflowNotFoundException
    from airflow.models import Connection, Variable

    try:
        connection = Connection.get_connection_from_secrets(DEFAULT_CONN_ID)
    except AirflowNotFoundException:
        raise ValueError(
            f"Make the connection {DEFAULT_CONN_ID} of type milvus, with a host such as {SERVER.example}."
        ) from None
    prefix, root = (
        str(Variable.get(name, default_var="") or "").strip()
        for name in ("ingest_collection_prefix", "ingest_source_root")
    )
    return Target(milvus_server(connection), prefix, root.rstrip("/"), _seconds(connection.extra))


def _seconds(extra: str | None) -> float:
    """Of the connection's field ``page_seconds``."""
    given = json.loads(extra or "{}").get("page_seconds")
    try:
        seconds = float(given or SECONDS)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds <= 300:
        raise ValueError(
            f"The field 'page_seconds' of connection '{DEFAULT_CONN_ID}' must be a number up to 300: {given!r}."
        )
    return seconds
