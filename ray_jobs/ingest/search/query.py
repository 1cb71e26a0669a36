"""Search the collections: pages and spoken passages by meaning and by words, images and frames by their content.

Scores are comparable only within one list of hits; higher is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.text import as_typed
from ingest.milvus.client import TIMEOUT
from ingest.milvus.schema import DOCUMENTS, IMAGES, VIDEO_FRAMES, VIDEO_SEGMENTS
from ingest.pdf.places import PLACE
from ingest.search.quotations import answer_time, has_words

if TYPE_CHECKING:
    from pymilvus import MilvusClient

CANDIDATES = 50
"""Rows that each of the two searches contributes to the fusion, unless more hits are wanted."""

WINDOW = 16_384
"""Rows that Milvus returns for one search at most."""

RRF_K = 60
"""Constant of reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009)."""


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
    """

    seconds: float = TIMEOUT
    consistency: str = ""
    condition: str = ""

    def options(self) -> dict[str, Any]:
        """The arguments of pymilvus's methods."""
        return {"timeout": self.seconds} | ({"consistency_level": self.consistency} if self.consistency else {})


BY_DEFAULT = Asking()


@dataclass(frozen=True, slots=True)
class PageHit:
    """A page, counted from 1, with the text of its best chunk.

    Attributes:
        boxes: where that text stands on the page: (x0, y0, x1, y1) in points from the upper left corner of the page as
            viewers show it. There are none where a text has no place, as in an attached file. None: the chunk was
            written before there were boxes; a run with --full-refresh adds them.
        page_size: width and height of the page in points; None if there are no boxes.
    """

    source: str
    version: str
    page: int
    text: str
    score: float
    boxes: tuple[tuple[float, ...], ...] | None = None
    page_size: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class ImageHit:
    """An image, with its size in pixels."""

    source: str
    version: str
    width: int
    height: int
    score: float


@dataclass(frozen=True, slots=True)
class SpokenHit:
    """A spoken passage: the answer begins at the second `start`, and the passage ends at the second `end`."""

    source: str
    version: str
    start: float
    end: float
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class FrameHit:
    """A key frame, with its time in seconds from the start of the video."""

    source: str
    version: str
    time: float
    score: float


Hit = PageHit | ImageHit | SpokenHit | FrameHit


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
        fields = ["page", "text", "metadata"]
        found = _search_texts(client, collection, question, vector, mode, fields, candidates, asking)
        pages: dict[tuple[str, int], PageHit] = {}
        for row, score in found:
            key = (row["source"], row["page"])
            place = row["metadata"].get(PLACE, {})
            at = tuples(place.get("boxes")), tuples(place.get("page"))
            pages.setdefault(key, PageHit(row["source"], row["version"], row["page"], row["text"], score, *at))
        if len(pages) >= limit or len(found) < candidates or candidates == WINDOW:
            return list(pages.values())[:limit]
        candidates = min(4 * candidates, WINDOW)


def tuples(value: Any) -> Any:
    """A value of JSON with tuples for its lists, which a hit has so that it is hashable."""
    return tuple(map(tuples, value)) if isinstance(value, list) else value


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
    fields, candidates = ["start", "end", "text", "metadata"], min(max(CANDIDATES, limit), WINDOW)
    found = _search_texts(client, collection, question, vector, mode, fields, candidates, asking)
    return [
        SpokenHit(row["source"], row["version"], answer_time(question, row), row["end"], row["text"], score)
        for row, score in found[:limit]
    ]


def search_images(
    client: MilvusClient, collection: str, vector: np.ndarray, limit: int = 5, asking: Asking = BY_DEFAULT
) -> list[ImageHit]:
    """The images nearest to the CLIP embedding of a text or an image, shape (dimension,)."""
    found = _search_vectors(client, collection, vector, ["width", "height"], limit, asking)
    return [ImageHit(row["source"], row["version"], row["width"], row["height"], score) for row, score in found]


def search_frames(
    client: MilvusClient, collection: str, vector: np.ndarray, limit: int = 5, asking: Asking = BY_DEFAULT
) -> list[FrameHit]:
    """The key frames nearest to the CLIP embedding of a text or an image, shape (dimension,)."""
    found = _search_vectors(client, collection, vector, ["time"], limit, asking)
    return [FrameHit(row["source"], row["version"], row["time"], score) for row, score in found]


def _search_texts(
    client: MilvusClient,
    collection: str,
    question: str,
    vector: np.ndarray | None,
    mode: SearchMode,
    fields: Sequence[str],
    limit: int,
    asking: Asking,
) -> list[tuple[dict[str, Any], float]]:
    from pymilvus import AnnSearchRequest, RRFRanker

    if vector is not None and (mode is SearchMode.DENSE or not has_words(question)):
        return _search_vectors(client, collection, vector, fields, limit, asking)
    if not has_words(question):
        return []
    words = AnnSearchRequest(
        data=[as_typed(question)], anns_field="sparse", param={"metric_type": "BM25"}, limit=limit,
        expr=asking.condition or None,
    )  # fmt: skip
    output = ["source", "version", *fields]
    if vector is None:
        found = client.search(
            collection, data=words.data, anns_field=words.anns_field, search_params=words.param, limit=limit,
            filter=asking.condition, output_fields=output, **asking.options(),
        )  # fmt: skip
        # Milvus Lite returns scores as distances, which are negative.
        return [(hit["entity"], abs(float(hit["distance"]))) for hit in found[0]]
    dense = AnnSearchRequest(
        data=[vector], anns_field="embedding", limit=limit, param=_vector_search_params(limit),
        expr=asking.condition or None,
    )  # fmt: skip
    found = client.hybrid_search(
        collection, [dense, words], RRFRanker(RRF_K), limit=limit, output_fields=output, **asking.options()
    )
    return [(hit["entity"], float(hit["distance"])) for hit in found[0]]


def _search_vectors(
    client: MilvusClient, collection: str, vector: np.ndarray, fields: Sequence[str], limit: int, asking: Asking
) -> list[tuple[dict[str, Any], float]]:
    found = client.search(
        collection, data=[vector], anns_field="embedding", search_params=_vector_search_params(limit), limit=limit,
        filter=asking.condition, output_fields=["source", "version", *fields], **asking.options(),
    )  # fmt: skip
    return [(hit["entity"], float(hit["distance"])) for hit in found[0]]


def _vector_search_params(limit: int) -> dict[str, Any]:
    return {"metric_type": "COSINE", "params": {"ef": 2 * limit}}
