"""What the page reads: the Milvus server of the connection ``milvus_default``, the site's prefix and its root."""

from __future__ import annotations

from dataclasses import dataclass

from ray_ingest.milvus import DEFAULT_CONN_ID, SERVER, MilvusServer, milvus_server


@dataclass(frozen=True)
class Target:
    """A Milvus server and the site's Variables.

    :param prefix: the beginning of the names of the collections that the Dags write.
    :param root: the address below which the partitions of all pipelines are, such as ``s3://bucket``; empty if unknown.
    """

    server: MilvusServer
    prefix: str = ""
    root: str = ""

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
    return Target(milvus_server(connection), prefix, root.rstrip("/"))
