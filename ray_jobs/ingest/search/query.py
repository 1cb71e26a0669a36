"""Search the collections: pages and spoken passages by meaning and by words, images and frames by their content.

Scores are comparable only within one list of hits; higher is better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.text import as_typed
from ingest.milvus.client import TIMEOUT
from ingest.milvus.filters import Filter
from ingest.milvus.lite_filters import fulfils
from ingest.milvus.schema import DOCUMENTS, IMAGES, VIDEO_FRAMES, VIDEO_SEGMENTS
from ingest.search.hits import FrameHit, ImageHit, PageHit, SpokenHit, owner_of, place_of
from ingest.search.quotations import answer_time, has_words

if TYPE_CHECKING:
    from pymilvus import MilvusClient

CANDIDATES = 50
"""Rows that each of the two searches contributes to the fusion, unless more hits are wanted."""

WINDOW = 16_384
"""Rows that Milvus returns for one search at most."""

RRF_K = 60
"""Constant of reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009)."""

Rows = list[tuple[dict[str, Any], float]]
"""Rows of a collection with their scores."""


class SearchMode(StrEnum):
    """How texts are searched: by embedding, by words (BM25), or by the fusion of both."""

    HYBRID = "hybrid"
    DENSE = "dense"
    WORDS = "words"


class HitKind(StrEnum):
    """The kind of a hit, by the name that `--in` gives it."""

    PAGES = "pages"
    IMAGES = "images"
    SPOKEN = "spoken"
    FRAMES = "frames"


COLLECTIONS_BY_KIND = {
    HitKind.PAGES: DOCUMENTS,
    HitKind.IMAGES: IMAGES,
    HitKind.SPOKEN: VIDEO_SEGMENTS,
    HitKind.FRAMES: VIDEO_FRAMES,
}
"""The collection of each kind, without the prefix."""

TEXT_KINDS = (HitKind.PAGES, HitKind.SPOKEN)
"""Kinds that a text model embeds; a CLIP model embeds the others."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How Milvus is asked.

    Attributes:
        seconds: that a request may take, with pymilvus's own retries.
        consistency: the consistency level; empty for the collection's own, which is Strong.
        condition: an expression that all hits fulfil; empty for none.
        checked: conditions that are checked in the rows which Milvus Lite has found.
        context: whether hits for texts come with the text around them.
    """

    seconds: float = TIMEOUT
    consistency: str = ""
    condition: str = ""
    checked: Filter = ()
    context: bool = False

    def options(self) -> dict[str, Any]:
        """The arguments of pymilvus's methods."""
        return {"timeout": self.seconds} | ({"consistency_level": self.consistency} if self.consistency else {})

    def first(self, find: Callable[[int], Rows], limit: int) -> Rows:
        """The first `limit` rows that fulfil the checked conditions, of those that `find` gives by their number."""
        candidates = limit
        while True:
            found = find(candidates)
            held = [(row, score) for row, score in found if fulfils(row["metadata"], self.checked)]
            if len(held) >= limit or len(found) < candidates or candidates == WINDOW:
                return held[:limit]
            candidates = min(4 * candidates, WINDOW)


BY_DEFAULT = Asking()


def search_documents(
    client: MilvusClient,
    collection: str,
    question: str,
    vector: np.ndarray | None,
    limit: int = 5,
    mode: SearchMode = SearchMode.HYBRID,
    asking: Asking = BY_DEFAULT,
) -> list[PageHit]:
    """The best pages for a question, each once.

    Args:
        collection: full name of the collection of chunks.
        question: in any language; BM25 searches for its words.
        vector: embedding of the question, shape (dimension,); None for SearchMode.WORDS.
    """
    candidates = min(max(CANDIDATES, limit), WINDOW)
    while True:
        found = _search_texts(client, collection, question, vector, mode, ["page", "text"], candidates, asking)
        pages: dict[tuple[str, int], PageHit] = {}
        for row, score in found:
            metadata = row["metadata"]
            at, owner = place_of(metadata), owner_of(metadata)
            hit = PageHit(row["source"], row["version"], row["page"], row["text"], score, **at, owner=owner)
            pages.setdefault((hit.source, hit.page), hit)
        if len(pages) >= limit or len(found) < candidates or candidates == WINDOW:
            return list(pages.values())[:limit]
        candidates = min(4 * candidates, WINDOW)


def search_segments(
    client: MilvusClient,
    collection: str,
    question: str,
    vector: np.ndarray | None,
    limit: int = 5,
    mode: SearchMode = SearchMode.HYBRID,
    asking: Asking = BY_DEFAULT,
) -> list[SpokenHit]:
    """The best spoken passages for a question; the arguments are those of `search_documents`."""
    fields, candidates = ["start", "end", "text"], min(max(CANDIDATES, limit), WINDOW)
    found = _search_texts(client, collection, question, vector, mode, fields, candidates, asking)
    return [
        SpokenHit(
            row["source"],
            row["version"],
            answer_time(question, row),
            row["end"],
            row["text"],
            score,
            owner_of(row["metadata"]),
        )
        for row, score in found[:limit]
    ]


def search_images(
    client: MilvusClient, collection: str, vector: np.ndarray, limit: int = 5, asking: Asking = BY_DEFAULT
) -> list[ImageHit]:
    """The images nearest to the CLIP embedding of a text or an image, shape (dimension,)."""
    return [
        ImageHit(row["source"], row["version"], row["width"], row["height"], score, owner_of(row["metadata"]))
        for row, score in _search_vectors(client, collection, vector, ["width", "height"], limit, asking)
    ]


def search_frames(
    client: MilvusClient, collection: str, vector: np.ndarray, limit: int = 5, asking: Asking = BY_DEFAULT
) -> list[FrameHit]:
    """The key frames nearest to the CLIP embedding of a text or an image, shape (dimension,)."""
    return [
        FrameHit(row["source"], row["version"], row["time"], score, owner_of(row["metadata"]))
        for row, score in _search_vectors(client, collection, vector, ["time"], limit, asking)
    ]


def _search_texts(
    client: MilvusClient,
    collection: str,
    question: str,
    vector: np.ndarray | None,
    mode: SearchMode,
    fields: Sequence[str],
    limit: int,
    asking: Asking,
) -> Rows:
    from pymilvus import AnnSearchRequest, RRFRanker

    if vector is not None and (mode is SearchMode.DENSE or not has_words(question)):
        return _search_vectors(client, collection, vector, fields, limit, asking)
    if not has_words(question):
        return []
    output = _output(fields)

    def by_words(candidates: int) -> Rows:
        found = client.search(
            collection, data=[as_typed(question)], anns_field="sparse", search_params={"metric_type": "BM25"},
            limit=candidates, filter=asking.condition, output_fields=output, **asking.options(),
        )  # fmt: skip
        # Milvus Lite returns scores as distances, which are negative.
        return [(hit["entity"], abs(float(hit["distance"]))) for hit in found[0]]

    def by_both(candidates: int) -> Rows:
        common: dict[str, Any] = {"limit": candidates, "expr": asking.condition or None}
        words = AnnSearchRequest([as_typed(question)], "sparse", {"metric_type": "BM25"}, **common)
        dense = AnnSearchRequest([vector], "embedding", _vector_search_params(candidates), **common)
        found = client.hybrid_search(
            collection, [dense, words], RRFRanker(RRF_K), limit=candidates, output_fields=output, **asking.options()
        )
        return [(hit["entity"], float(hit["distance"])) for hit in found[0]]

    return asking.first(by_words if vector is None else by_both, limit)


def _search_vectors(
    client: MilvusClient, collection: str, vector: np.ndarray, fields: Sequence[str], limit: int, asking: Asking
) -> Rows:
    def nearest(candidates: int) -> Rows:
        found = client.search(
            collection, data=[vector], anns_field="embedding", search_params=_vector_search_params(candidates),
            limit=candidates, filter=asking.condition, output_fields=_output(fields), **asking.options(),
        )  # fmt: skip
        return [(hit["entity"], float(hit["distance"])) for hit in found[0]]

    return asking.first(nearest, limit)


def _output(fields: Sequence[str]) -> list[str]:
    return ["source", "version", "metadata", *fields]


def _vector_search_params(limit: int) -> dict[str, Any]:
    return {"metric_type": "COSINE", "params": {"ef": 2 * limit}}
