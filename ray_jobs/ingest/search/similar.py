"""More like this: the objects of the same pipeline whose vectors in the ledger are nearest to that of an object.

The vector of an object is the mean of those of its rows. Of a recording these are the vectors of its passages, or of
its key frames where nobody speaks: those are vectors of two models, which are never compared with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.errors import ConfigurationError, UnreachableError
from ingest.migration.generations import Names, is_switch_interrupted
from ingest.milvus.expressions import literal, literal_list
from ingest.milvus.filters import Filter
from ingest.milvus.lite_filters import fulfils
from ingest.milvus.partition_key import BUILT_IN
from ingest.milvus.schema import COLLECTIONS, SOURCES
from ingest.search.narrowing import narrowed
from ingest.search.query import BY_DEFAULT, WINDOW, Asking

if TYPE_CHECKING:
    from pymilvus import MilvusClient

CANDIDATES = 100
"""Objects whose vectors are looked at first, unless more are wanted, where some may be left out for what their rows
say: those of the other model, or of another date or language."""


@dataclass(frozen=True, slots=True)
class SimilarSource:
    """An object, with the cosine between its vector and the other one."""

    source: str
    version: str
    pipeline: str
    score: float


def similar_sources(
    client: MilvusClient,
    prefix: str,
    source: str,
    limit: int = 5,
    asking: Asking = BY_DEFAULT,
    conditions: Filter = (),
) -> list[SimilarSource]:
    """The objects that are most similar to one that was ingested, the best first, without itself.

    Args:
        prefix: prefix of the collections' names.
        source: full URI of the object.
        conditions: what the similar objects fulfil; not about `kind`, which their pages have and not they.

    Raises:
        ConfigurationError: there is no such object, or nothing of it is searchable.
        UnreachableError: a switch to another model is under way, so that the ledger has the vectors of both.
    """
    ledger = prefix + SOURCES
    if not client.has_collection(ledger, timeout=asking.seconds):
        raise ConfigurationError(f"there is no collection {ledger!r}: nothing was ingested yet")
    found = client.query(
        ledger, filter=f"source == {literal(source)}", output_fields=["pipeline", "vector"], limit=1, **asking.options()
    )
    if not found:
        raise ConfigurationError(f"{source} was never ingested; give the full URI of an object, as hits have it")
    vector, pipeline = np.asarray(found[0]["vector"], np.float32), str(found[0]["pipeline"])
    if not vector.any():
        raise ConfigurationError(f"nothing of {source} is searchable, so that nothing is similar to it")
    searched = Names.searched(client, prefix, pipeline, COLLECTIONS[pipeline])
    if searched is None or is_switch_interrupted(client, searched):
        raise UnreachableError(f"the {pipeline} are being switched to another model; ask again in a minute")
    # The ledger has the values of owners; their dates and languages are in the rows alone.
    of_owner, of_rows = (
        narrowed(client, asking, some, COLLECTIONS[pipeline][0])
        for some in (
            tuple(condition for condition in conditions if condition.name not in BUILT_IN),
            tuple(condition for condition in conditions if condition.name in BUILT_IN),
        )
    )
    if of_owner is None or of_rows is None:
        return []
    several = len(searched.rows) > 1
    wanted = max(CANDIDATES, limit + 1) if several or of_rows.condition or of_owner.checked else limit + 1
    candidates = min(wanted, WINDOW)
    condition = f'pipeline == {literal(pipeline)} and status == "ok" and rows > 0'
    if of_owner.condition:
        condition += f" and {of_owner.condition}"
    while True:
        (rows,) = client.search(
            ledger, data=[vector], anns_field="vector", filter=condition, limit=candidates,
            search_params={"metric_type": "COSINE"}, output_fields=["source", "version", "metadata"],
            **asking.options(),
        )  # fmt: skip
        others = [
            row
            for row in rows
            if row["entity"]["source"] != source and fulfils(row["entity"]["metadata"], of_owner.checked)
        ]
        if several:
            others = _of_one_model(client, searched.rows[0], source, others, asking)
        if of_rows.condition:
            names = [row["entity"]["source"] for row in others]
            fulfilling = _first_rows(client, searched.rows, names, asking, of_rows.condition)
            others = [row for row in others if row["entity"]["source"] in fulfilling]
        if len(others) >= limit or len(rows) < candidates or candidates == WINDOW:
            break
        candidates = min(4 * candidates, WINDOW)
    return [
        SimilarSource(row["entity"]["source"], row["entity"]["version"], pipeline, float(row["distance"]))
        for row in others[:limit]
    ]


def _of_one_model(
    client: MilvusClient, collection: str, source: str, rows: list[dict[str, Any]], asking: Asking
) -> list[dict[str, Any]]:
    """The rows of objects that have a row in the first collection of the pipeline exactly if `source` has one."""
    names = [source, *(row["entity"]["source"] for row in rows)]
    in_first = _first_rows(client, [collection], names, asking)
    return [row for row in rows if (row["entity"]["source"] in in_first) == (source in in_first)]


def _first_rows(
    client: MilvusClient, collections: Sequence[str], sources: Sequence[str], asking: Asking, condition: str = ""
) -> set[str]:
    """The objects whose first row is in one of the collections and fulfils a condition."""
    found: set[str] = set()
    # An object's rows are numbered through all its collections.
    first = f"ordinal == 0 and {condition}" if condition else "ordinal == 0"
    for collection in collections:
        for start in range(0, len(sources), CANDIDATES):
            some = literal_list(list(sources[start : start + CANDIDATES]))
            rows = client.query(
                collection,
                filter=f"{first} and source in {some}",
                output_fields=["source"],
                limit=WINDOW,
                **asking.options(),
            )
            found |= {row["source"] for row in rows}
    return found
