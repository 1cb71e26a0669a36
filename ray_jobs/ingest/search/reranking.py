"""Put the first hits of a search in the order of a cross-encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ingest.search.query import CANDIDATES, Hit, PageHit, SpokenHit

if TYPE_CHECKING:
    from ingest.models.cross_encoder import CrossEncoder

RERANKED_HITS = CANDIDATES
"""First hits of a search for texts that a cross-encoder puts in order."""


def wanted_hits(limit: int) -> int:
    """The hits that a search has to find for a cross-encoder, of which `limit` are shown."""
    return max(limit, RERANKED_HITS)


def reranked(model: CrossEncoder, question: str, hits: Sequence[Hit], limit: int) -> Sequence[Hit]:
    """The first `limit` of the hits for texts in the order of the cross-encoder, with its scores."""
    texts = [hit for hit in hits if isinstance(hit, (PageHit, SpokenHit))]
    scores = model.scores(question, [hit.text for hit in texts])
    scored = [replace(hit, score=score) for hit, score in zip(texts, scores, strict=True)]
    return sorted(scored, key=lambda hit: -hit.score)[:limit]
