"""Tell an existing collection of this program from one that another program gave the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.common.errors import ConfigurationError
from ingest.milvus.client import TIMEOUT

if TYPE_CHECKING:
    from pymilvus import CollectionSchema, MilvusClient


def assert_own(client: MilvusClient, name: str, schema: CollectionSchema, vector_field: str) -> None:
    """Raise ConfigurationError if an existing collection cannot hold rows of `schema`.

    It may have more fields than the schema, as long as rows need no values for them.
    """
    described = client.describe_collection(name, timeout=TIMEOUT)["fields"]
    types = {one["name"]: int(one["type"]) for one in described if not one.get("auto_id")}
    optional = {one["name"] for one in described if one.get("nullable") or one.get("default_value") is not None}
    own = {field.name: int(field.dtype) for field in schema.fields}
    problem = next(
        (f"lacks the field {field!r} of the right type" for field in own if types.get(field) != own[field]), ""
    )
    problem = problem or next(
        (f"has a field {field!r}" for field in types.keys() - own.keys() - optional - {"sparse"}), ""
    )
    if not problem and client.list_indexes(name, vector_field, timeout=TIMEOUT):
        metric = (client.describe_index(name, vector_field, timeout=TIMEOUT) or {}).get("metric_type", "COSINE")
        problem = f"has an index of the metric {metric}" if metric != "COSINE" else ""
    if problem:
        raise ConfigurationError(
            f"collection {name!r} {problem}; another program made it, so give another --collection prefix"
        )
