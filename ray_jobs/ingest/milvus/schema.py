"""The collections that other programs rely on: their fields, their indexes and their creation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenacity import Retrying, retry_if_exception_message, stop_after_delay, wait_fixed

from ingest.common.errors import ConfigurationError
from ingest.common.text import one_line
from ingest.milvus.analyzers import analyzer_candidates
from ingest.milvus.client import TIMEOUT, is_lite, server_version
from ingest.milvus.own_collection import assert_own
from ingest.milvus.partition_key import PARTITION_PROPERTY, add_partition_key, checked_partition_key

if TYPE_CHECKING:
    from pymilvus import CollectionSchema, MilvusClient
    from pymilvus.milvus_client import IndexParams

DOCUMENTS = "documents"
IMAGES = "images"
VIDEO_SEGMENTS = "video_segments"
VIDEO_FRAMES = "video_frames"
COLLECTIONS = {"images": (IMAGES,), "pdfs": (DOCUMENTS,), "videos": (VIDEO_SEGMENTS, VIDEO_FRAMES)}
"""The collections of each pipeline's rows."""

SOURCES = "sources"
LEASES = "leases"

MODEL_PROPERTY = "ingest.model"
"""Property of a collection: the model of its vectors, as named in the flag. (Milvus Lite keeps no descriptions.)"""

SOURCE_LENGTH = 4352
"""Bytes: an S3 key has up to 1,024, a Linux path up to 4,096 (PATH_MAX)."""
TEXT_LENGTH = 65535
"""Bytes: the maximum of a Milvus VARCHAR."""
JSON_LENGTH = 65536
"""Bytes: the maximum of a Milvus JSON value."""
VERSION_LENGTH = 128
RUN_ID_LENGTH = 512
MESSAGE_LENGTH = 2048
"""Bytes of the longest error message in the ledger; a longer one is cut."""

VECTOR_INDEXES = ("HNSW", "FLAT", "IVF_FLAT", "AUTOINDEX")
"""The index types that both Milvus and Milvus Lite build. Lite silently accepts others and answers wrongly."""

CREATION_SECONDS = 10.0
"""How long a run waits for a collection that another run is creating."""

FULL_TEXT_SINCE = (2, 5)
"""First Milvus server with BM25 functions. On older ones there is neither the field `sparse` nor full-text search."""


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """Index of an `embedding` field: `kind` is one of VECTOR_INDEXES, `params` are its parameters."""

    kind: str = "HNSW"
    params: Mapping[str, int] = field(default_factory=lambda: {"M": 16, "efConstruction": 200})

    def __post_init__(self) -> None:
        if self.kind not in VECTOR_INDEXES:
            raise ConfigurationError(f"--index-type {self.kind!r}: choose one of {', '.join(VECTOR_INDEXES)}")


OWN_FIELDS: dict[str, dict[str, str]] = {
    DOCUMENTS: {"page": "INT64", "kind": "VARCHAR"},
    IMAGES: {"width": "INT64", "height": "INT64"},
    VIDEO_SEGMENTS: {"start": "DOUBLE", "end": "DOUBLE"},
    VIDEO_FRAMES: {"time": "DOUBLE"},
}
"""Fields of a collection in addition to those that all collections have, with their Milvus types."""

WITH_TEXT = frozenset({DOCUMENTS, VIDEO_SEGMENTS})
"""Collections whose rows have a `text` and, if the server supports it, `sparse`."""


def _rows_schema(
    client: MilvusClient, collection: str, dimension: int, analyzer: Mapping[str, Any] | None, partition_key: str
) -> CollectionSchema:
    """With `analyzer` None, for a server without full-text search, the schema has no `sparse`."""
    from pymilvus import DataType, Function, FunctionType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, max_length=64, is_primary=True)
    schema.add_field("source", DataType.VARCHAR, max_length=SOURCE_LENGTH)
    schema.add_field("version", DataType.VARCHAR, max_length=VERSION_LENGTH)
    schema.add_field("ordinal", DataType.INT64)
    for name, kind in OWN_FIELDS[collection].items():
        schema.add_field(name, DataType[kind], **({"max_length": 16} if kind == "VARCHAR" else {}))
    schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=dimension)
    schema.add_field("metadata", DataType.JSON)
    add_partition_key(schema, partition_key)
    if collection not in WITH_TEXT:
        return schema
    if analyzer is None:
        schema.add_field("text", DataType.VARCHAR, max_length=TEXT_LENGTH)
        return schema
    schema.add_field(
        "text", DataType.VARCHAR, max_length=TEXT_LENGTH, enable_analyzer=True, analyzer_params=dict(analyzer)
    )
    schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(Function("bm25", FunctionType.BM25, input_field_names=["text"], output_field_names=["sparse"]))
    return schema


def _sources_schema(client: MilvusClient, dimension: int) -> CollectionSchema:
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("source", DataType.VARCHAR, max_length=SOURCE_LENGTH, is_primary=True)
    for name, length in (
        ("pipeline", 32), ("version", VERSION_LENGTH), ("status", 16), ("stage", 32), ("error_type", 128),
        ("error_message", MESSAGE_LENGTH), ("fingerprint", 64), ("run_id", RUN_ID_LENGTH),
    ):  # fmt: skip
        schema.add_field(name, DataType.VARCHAR, max_length=length)
    for name in ("size", "rows", "attempts", "updated_at"):
        schema.add_field(name, DataType.INT64)
    schema.add_field("metadata", DataType.JSON)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    return schema


def ensure_leases(client: MilvusClient, name: str) -> None:
    """Create the collection of the leases of runs in progress if it does not exist, and load it."""
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, max_length=64, is_primary=True)
    for field_name, length in (("pipeline", 32), ("source", SOURCE_LENGTH), ("run_id", RUN_ID_LENGTH)):
        schema.add_field(field_name, DataType.VARCHAR, max_length=length)
    for field_name in ("ticket", "beat"):
        schema.add_field(field_name, DataType.INT64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)  # Milvus needs a vector field in every collection
    indexes = client.prepare_index_params()
    indexes.add_index("vector", index_type="FLAT", metric_type="COSINE")
    if client.has_collection(name, timeout=TIMEOUT):
        _load(client, name, indexes)
    else:
        _create(client, name, schema, indexes)


def _create(client: MilvusClient, name: str, schema: CollectionSchema, indexes: IndexParams, **properties: str) -> None:
    """Create a collection, which another run may be creating at the same moment, and load it.

    The collection's default consistency level is Strong: pymilvus's query iterator ignores the level that it is given
    and reads at the collection's default (`construct_guarantee_ts` returns early); at Milvus's own default, Bounded, it
    would miss the writes of the last seconds.
    """
    from pymilvus.exceptions import MilvusException

    # Milvus Lite creates a collection's folder some milliseconds before the collection exists. A second run that
    # creates the collection in between gets an error that names the folder.
    for attempt in Retrying(
        retry=retry_if_exception_message(match=r".*File exists"),
        stop=stop_after_delay(CREATION_SECONDS),
        wait=wait_fixed(0.05),
        reraise=True,
    ):
        with attempt:
            try:
                client.create_collection(
                    name,
                    schema=schema,
                    consistency_level="Strong",
                    properties={key: value for key, value in properties.items() if value},
                    timeout=TIMEOUT,
                )
            except MilvusException:
                if not client.has_collection(name, timeout=TIMEOUT):
                    raise
    _load(client, name, indexes)


def _load(client: MilvusClient, name: str, indexes: IndexParams) -> None:
    """Load a collection, and first create the indexes that it lacks because the run that created it was interrupted."""
    from pymilvus.exceptions import MilvusException

    for index in indexes:
        if client.list_indexes(name, index.field_name, timeout=TIMEOUT):
            continue
        one = client.prepare_index_params()
        one.append(index)
        try:
            # Not as part of create_collection, which waits half a second or more for each index.
            client.create_index(name, one, timeout=TIMEOUT, sync=False)
        except MilvusException:
            if not client.list_indexes(name, index.field_name, timeout=TIMEOUT):  # otherwise another run was faster
                raise
    client.load_collection(name, timeout=TIMEOUT)


def ensure_rows(
    client: MilvusClient,
    collection: str,
    name: str,
    dimension: int,
    analyzer: str = "auto",
    index: IndexSettings | None = None,
    model: str = "",
    partition_key: str = "",
) -> None:
    """Create a collection of rows if it does not exist, and load it.

    Args:
        collection: name of the collection without its prefix, a key of OWN_FIELDS.
        name: full name of the collection.
        analyzer: analyzer of its texts, as for `analyzer_candidates`.
        model: name of the model, stored in the collection's properties.
        partition_key: name of the owner's value that partitions it; empty for none, or that which it has.

    Raises:
        ConfigurationError: the collection exists, but otherwise, or the server has none of the analyzers.
    """
    exists = _exists(client, name, "embedding", dimension)
    partition_key = checked_partition_key(client, name, partition_key)
    index = index or IndexSettings()
    indexes = client.prepare_index_params()
    indexes.add_index("embedding", index_type=index.kind, metric_type="COSINE", params=dict(index.params))
    full_text = server_version(client) >= FULL_TEXT_SINCE
    indexes.add_index("source", index_type="INVERTED" if full_text else "Trie")
    candidates: list[dict[str, Any] | None] = [None]
    if full_text and collection in WITH_TEXT:
        indexes.add_index("sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
        candidates = [*analyzer_candidates(analyzer, is_lite(client))]
    if exists:
        assert_own(client, name, _rows_schema(client, collection, dimension, None, partition_key), "embedding")
        _load(client, name, indexes)
        return
    from pymilvus.exceptions import MilvusException

    for candidate in candidates:
        try:
            schema = _rows_schema(client, collection, dimension, candidate, partition_key)
            _create(client, name, schema, indexes, **{MODEL_PROPERTY: model, PARTITION_PROPERTY: partition_key})
            return
        except MilvusException as error:
            message = one_line(error.message)
            if not any(word in message.lower() for word in ("tokenizer", "analyzer", "jieba", "icu")):
                raise
    raise ConfigurationError(f"--analyzer {analyzer}: this Milvus server cannot build it ({message})")


def ensure_sources(client: MilvusClient, name: str, dimension: int) -> int:
    """Create a collection for the ledger if it does not exist, and load it.

    Returns:
        The dimension of its vectors. Pipelines share the ledger, and the first one sets the dimension. Shorter vectors
        are padded with zeros, which does not change their cosine similarities.

    Raises:
        ConfigurationError: the collection exists with a smaller dimension than `dimension`.
    """
    indexes = client.prepare_index_params()
    # FLAT is exact and needs no building; the ledger has one row per object, not one per chunk.
    indexes.add_index("vector", index_type="FLAT", metric_type="COSINE")
    if client.has_collection(name, timeout=TIMEOUT):
        existing = dimension_of(client, name, "vector")
        if existing < dimension:
            raise _mismatch(name, existing, dimension)
        assert_own(client, name, _sources_schema(client, dimension), "vector")
        _load(client, name, indexes)
        return existing
    _create(client, name, _sources_schema(client, dimension), indexes)
    return dimension


def _exists(client: MilvusClient, name: str, vector_field: str, dimension: int) -> bool:
    if not client.has_collection(name, timeout=TIMEOUT):
        return False
    existing = dimension_of(client, name, vector_field)
    if existing != dimension:
        raise _mismatch(name, existing, dimension)
    return True


def dimension_of(client: MilvusClient, name: str, vector_field: str) -> int:
    """Dimension of a collection's vectors.

    Raises:
        ConfigurationError: the collection has no such field.
    """
    for described in client.describe_collection(name, timeout=TIMEOUT)["fields"]:
        if described["name"] == vector_field:
            return int(described["params"]["dim"])
    raise ConfigurationError(f"collection {name!r} has no field {vector_field!r}; it was not made by this program")


def has_full_text(client: MilvusClient, name: str) -> bool:
    """Whether a collection has the field that a search by words needs."""
    return any(found["name"] == "sparse" for found in client.describe_collection(name, timeout=TIMEOUT)["fields"])


def _mismatch(name: str, existing: int, dimension: int) -> ConfigurationError:
    return ConfigurationError(
        f"collection {name!r} holds vectors of {existing} dimensions and the model gives {dimension}; "
        "name the model it was made with, or another --collection prefix"
    )
