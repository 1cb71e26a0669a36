"""Find what answers a question: pages and spoken passages by meaning and by words, images and frames by what they show.

Scores compare only within one list of one answer; higher is better.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.text import CJK
from ingest.milvus.client import TIMEOUT
from ingest.milvus.schema import DOCUMENTS, IMAGES, VIDEO_FRAMES, VIDEO_SEGMENTS

if TYPE_CHECKING:
    from pymilvus import MilvusClient

CANDIDATES = 50
"""Rows that each of the two searches hands to the fusion."""

RRF_K = 60
"""Constant of reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009)."""


VERBATIM = 4
"""Words in a row that a passage shares with a question which is quoted from it."""

_WORD = re.compile(rf"[{CJK}]|[^\W{CJK}]+")


class Mode(StrEnum):
    HYBRID = "hybrid"
    DENSE = "dense"
    WORDS = "words"


class HitKind(StrEnum):
    """What is looked for."""

    PAGES = "pages"
    IMAGES = "images"
    SPOKEN = "spoken"
    FRAMES = "frames"


COLLECTION = {
    HitKind.PAGES: DOCUMENTS,
    HitKind.IMAGES: IMAGES,
    HitKind.SPOKEN: VIDEO_SEGMENTS,
    HitKind.FRAMES: VIDEO_FRAMES,
}

OF_TEXT = (HitKind.PAGES, HitKind.SPOKEN)
"""Kinds whose vectors are of a text model; those of the others are of a CLIP model."""


@dataclass(frozen=True, slots=True)
class PageHit:
    """A page that answers, with its best chunk."""

    source: str
    version: str
    page: int
    text: str
    score: float


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
    """A passage, from the second at which it comes to what was asked."""

    source: str
    version: str
    start: float
    end: float
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class FrameHit:
    """A key frame, with its second in the video."""

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
    mode: Mode = Mode.HYBRID,
) -> list[PageHit]:
    """The best pages for a question, each once.

    Args:
        collection: of text rows.
        question: in any language; what BM25 searches.
        vector: its embedding, shape (dimension,); None for Mode.WORDS.
    """
    pages: dict[tuple[str, int], PageHit] = {}
    for row, score in _by_text(client, collection, question, vector, mode, ["page", "text"]):
        key = (row["source"], row["page"])
        pages.setdefault(key, PageHit(row["source"], row["version"], row["page"], row["text"], score))
    return list(pages.values())[:limit]


def search_segments(
    client: MilvusClient,
    collection: str,
    question: str,
    vector: np.ndarray | None,
    limit: int = 5,
    mode: Mode = Mode.HYBRID,
) -> list[SpokenHit]:
    """The best spoken passages for a question; arguments as for `search_documents`."""
    found = _by_text(client, collection, question, vector, mode, ["start", "end", "text", "metadata"])
    return [
        SpokenHit(row["source"], row["version"], moment(question, row), row["end"], row["text"], score)
        for row, score in found[:limit]
    ]


def moment(question: str, row: Mapping[str, Any]) -> float:
    """The second at which a passage comes to what was asked.

    Where the question is in the passage word for word, the time at which these words begin, by their place between the
    times of its segments; else the time of the segment that shares most words with the question.

    Args:
        row: of the collection of passages, with `start`, `end`, `text` and `metadata`.
    """
    marks = row["metadata"].get("marks") or [[0, row["start"]]]
    starts = [at for at, _ in marks]
    text = row["text"]
    asked, said = _words(question), _words(text)
    same = SequenceMatcher(None, [word for word, _ in asked], [word for word, _ in said], False).find_longest_match()
    if same.size >= min(VERBATIM, len(asked)) > 0:
        at = said[max(same.b - same.a, 0)][1]  # the question's first words may have been misheard
        return float(np.interp(at, [*starts, len(text)], [*(start for _, start in marks), row["end"]]))
    wanted = {word for word, _ in asked}
    shared = [
        len(wanted & {word for word, at in said if begin <= at < end}) for begin, end in pairwise([*starts, len(text)])
    ]
    return float(marks[shared.index(max(shared))][1])


def _words(text: str) -> list[tuple[str, int]]:
    """Words, and in scripts without spaces characters, with their places in the text."""
    return [(match[0].lower(), match.start()) for match in _WORD.finditer(text)]


def search_images(client: MilvusClient, collection: str, vector: np.ndarray, limit: int = 5) -> list[ImageHit]:
    """The images that are nearest to a text's or an image's CLIP embedding, shape (dimension,)."""
    found = _nearest(client, collection, vector, ["width", "height"], limit)
    return [ImageHit(row["source"], row["version"], row["width"], row["height"], score) for row, score in found]


def search_frames(client: MilvusClient, collection: str, vector: np.ndarray, limit: int = 5) -> list[FrameHit]:
    """The key frames that are nearest to a text's or an image's CLIP embedding, shape (dimension,)."""
    found = _nearest(client, collection, vector, ["time"], limit)
    return [FrameHit(row["source"], row["version"], row["time"], score) for row, score in found]


def _by_text(
    client: MilvusClient,
    collection: str,
    question: str,
    vector: np.ndarray | None,
    mode: Mode,
    fields: Sequence[str],
) -> list[tuple[dict[str, Any], float]]:
    from pymilvus import AnnSearchRequest, RRFRanker

    if mode is Mode.DENSE and vector is not None:
        return _nearest(client, collection, vector, fields, CANDIDATES)
    words = AnnSearchRequest(data=[question], anns_field="sparse", param={"metric_type": "BM25"}, limit=CANDIDATES)
    output = ["source", "version", *fields]
    if vector is None:
        found = client.search(
            collection, data=words.data, anns_field=words.anns_field, search_params=words.param, limit=CANDIDATES,
            output_fields=output, timeout=TIMEOUT,
        )  # fmt: skip
        # Milvus Lite gives them as distances, that is negative.
        return [(hit["entity"], abs(float(hit["distance"]))) for hit in found[0]]
    else:
        dense = AnnSearchRequest(data=[vector], anns_field="embedding", limit=CANDIDATES, param=_near(CANDIDATES))
        found = client.hybrid_search(
            collection, [dense, words], RRFRanker(RRF_K), limit=CANDIDATES, output_fields=output, timeout=TIMEOUT
        )
    return [(hit["entity"], float(hit["distance"])) for hit in found[0]]


def _nearest(
    client: MilvusClient, collection: str, vector: np.ndarray, fields: Sequence[str], limit: int
) -> list[tuple[dict[str, Any], float]]:
    found = client.search(
        collection, data=[vector], anns_field="embedding", search_params=_near(limit), limit=limit,
        output_fields=["source", "version", *fields], timeout=TIMEOUT,
    )  # fmt: skip
    return [(hit["entity"], float(hit["distance"])) for hit in found[0]]


def _near(limit: int) -> dict[str, Any]:
    return {"metric_type": "COSINE", "params": {"ef": 2 * limit}}
