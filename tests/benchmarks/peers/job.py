"""The job that every peer does: the objects below a prefix, and a collection of a Milvus server for their rows.

It is all that the peers have in common beside the models. The variables `AWS_*` say how to reach the store.
"""

import argparse
import hashlib
from dataclasses import dataclass
from typing import Any

import boto3
from pymilvus import DataType, MilvusClient

COLLECTION = "rows"
CHUNK_TOKENS = 200
BATCH = 32
ROWS_PER_UPSERT = 256
HNSW = {"index_type": "HNSW", "metric_type": "COSINE", "params": {"M": 16, "efConstruction": 200}}
"""The index of this project's collections (`IndexSettings` in ray_jobs/ingest/milvus/schema.py)."""


@dataclass(frozen=True)
class Job:
    """The arguments of a peer.

    Attributes:
        kind: `pdfs`, `images` or `audio`; the module `work_KIND` says what has to be done.
        bucket, prefix: where the objects are.
        milvus: URI of the server.
        cores: the cores that the peer may use.
        state: folder for what a peer remembers between two runs.
        text_model, clip_model, whisper_model: folders.
    """

    kind: str
    bucket: str
    prefix: str
    milvus: str
    cores: int
    state: str
    text_model: str
    clip_model: str
    whisper_model: str

    @classmethod
    def from_command_line(cls) -> "Job":
        parser = argparse.ArgumentParser()
        for name, kind in cls.__annotations__.items():
            parser.add_argument(f"--{name.replace('_', '-')}", type=kind, required=True)
        return cls(**vars(parser.parse_args()))

    def names(self) -> list[str]:
        pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def read(self, key: str) -> bytes:
        return store().get_object(Bucket=self.bucket, Key=key)["Body"].read()


_store: Any = None


def store() -> Any:
    """A client of the store; one for each process, since making one takes a quarter of a second."""
    global _store
    if _store is None:
        _store = boto3.client("s3")
    return _store


class Sink:
    """The collection in Milvus, made anew unless it exists."""

    def __init__(self, job: Job, dimension: int) -> None:
        self._client = MilvusClient(job.milvus)
        if self._client.has_collection(COLLECTION):
            return
        schema = self._client.create_schema()
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
        schema.add_field("source", DataType.VARCHAR, max_length=1024)
        schema.add_field("text", DataType.VARCHAR, max_length=65535)
        schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=dimension)
        index = self._client.prepare_index_params()
        index.add_index("embedding", **HNSW)
        self._client.create_collection(COLLECTION, schema=schema, index_params=index)

    def upsert(self, rows: list[dict[str, Any]]) -> None:
        for start in range(0, len(rows), ROWS_PER_UPSERT):
            self._client.upsert(COLLECTION, rows[start : start + ROWS_PER_UPSERT])

    def flush(self) -> None:
        self._client.flush(COLLECTION)


def row(source: str, ordinal: int, item: Any, vector: Any) -> dict[str, Any]:
    """A row of the collection; an item that is no text, such as a picture, has none."""
    digest = hashlib.sha256(f"{source} {ordinal}".encode()).hexdigest()
    return {"id": digest, "source": source, "text": item if isinstance(item, str) else "", "embedding": vector}
