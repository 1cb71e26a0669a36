"""The datasets of a run, as OpenLineage names them: prefixes of the object store, and collections in Milvus.

The provider for OpenLineage is optional. It calls the methods of ``factory.ScriptOperator``, and only those functions
here that it calls import it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

DEFAULT_DATABASE = "default"
"""Milvus's own name of the database of addresses that name none."""

Name = tuple[str, str]
"""Namespace and name of a dataset, by https://openlineage.io/docs/spec/naming."""


def input_name(source: str) -> Name:
    """The dataset of a source. Milvus is not in OpenLineage's list of names; S3 and files are."""
    scheme, _, rest = source.rpartition("://")
    if scheme == "s3":
        bucket, _, prefix = rest.partition("/")
        return f"s3://{bucket}", prefix.strip("/") or "/"
    return "file", rest.rstrip("/") or "/"


def output_name(milvus_uri: str, collection: str) -> Name:
    """The dataset of a collection, named like those of databases: address, and database and collection."""
    parts = urlsplit(milvus_uri)
    address = parts.netloc.rpartition("@")[2]
    return f"milvus://{address}", f"{parts.path.strip('/') or DEFAULT_DATABASE}.{collection}"


def lineage(
    arguments: Mapping[str, Any], collections: Sequence[str], report: Mapping[str, Any] | None
) -> OperatorLineage:
    """The inputs and outputs of a job script.

    :param arguments: its rendered flags.
    :param collections: the collections that it writes, without the prefix of the site.
    :param report: its report after it has ended, with the rows of each collection. A dry run has no outputs.
    """
    from airflow.providers.common.compat.openlineage.facet import (
        Dataset,
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
    )
    from airflow.providers.openlineage.extractors import OperatorLineage

    sources = arguments.get("source") or []
    inputs = [Dataset(*input_name(source)) for source in ([sources] if isinstance(sources, str) else sources)]
    if (report or {}).get("dry_run") or arguments.get("dry-run") in (True, "True"):
        collections = []
    rows = (report or {}).get("rows_by_collection", {})
    outputs = [
        OutputDataset(
            *output_name(str(arguments["milvus-uri"]), f"{arguments.get('collection') or ''}{collection}"),
            outputFacets={"outputStatistics": OutputStatisticsOutputDatasetFacet(rowCount=rows[collection])}
            if collection in rows
            else {},
        )
        for collection in collections
    ]
    return OperatorLineage(inputs=inputs, outputs=outputs)
