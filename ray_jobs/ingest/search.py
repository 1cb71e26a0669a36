"""Find the passages that answer a question: by meaning (dense vectors), by words (BM25), or by both."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from ingest.milvus import TIMEOUT

if TYPE_CHECKING:
    from pymilvus import MilvusClient

CANDIDATES = 50
"""Chunks that each of the two searches hands to the fusion."""

RRF_K = 60
"""Constant of reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009)."""

FIELDS = ["source", "page", "kind", "text", "ordinal"]


class Mode(StrEnum):
    HYBRID = "hybrid"
    DENSE = "dense"
    WORDS = "words"


@dataclass(frozen=True, slots=True)
class PageHit:
    """A page that answers, with its best chunk. `score` compares only within one answer; higher is better."""

    source: str
    page: int
    text: str
    score: float


def search_documents(
    client: MilvusClient,
    collection: str,
    question: str,
    vector: np.ndarray | None,
    limit: int = 5,
    mode: Mode = Mode.HYBRID,
) -> list[PageHit]:
    """The best pages for a question, each once.

    Args:
        collection: of text rows.
        question: in any language; what BM25 searches.
        vector: its embedding, shape (dimension,); None for Mode.WORDS.
    """
    from pymilvus import AnnSearchRequest, RRFRanker

    requests = []
    if mode is not Mode.WORDS:
        requests.append(
            AnnSearchRequest(
                data=[vector], anns_field="embedding", limit=CANDIDATES,
                param={"metric_type": "COSINE", "params": {"ef": 2 * CANDIDATES}},
            )
        )  # fmt: skip
    if mode is not Mode.DENSE:
        requests.append(
            AnnSearchRequest(data=[question], anns_field="sparse", param={"metric_type": "BM25"}, limit=CANDIDATES)
        )
    if mode is Mode.HYBRID:
        found = client.hybrid_search(
            collection, requests, RRFRanker(RRF_K), limit=CANDIDATES, output_fields=FIELDS, timeout=TIMEOUT
        )
    else:
        (request,) = requests
        found = client.search(
            collection, data=request.data, anns_field=request.anns_field, search_params=request.param,
            limit=CANDIDATES, output_fields=FIELDS, timeout=TIMEOUT,
        )  # fmt: skip
    pages: dict[tuple[str, int], PageHit] = {}
    for hit in found[0]:
        entity = hit["entity"]
        key = (entity["source"], entity["page"])
        pages.setdefault(key, PageHit(*key, entity["text"], float(hit["distance"])))
    return list(pages.values())[:limit]
