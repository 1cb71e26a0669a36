"""Put the first hits of a search in the order of a cross-encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ingest.search.hits import TextHit
from ingest.search.query import CANDIDATES

if TYPE_CHECKING:
    from ingest.models.cross_encoder import CrossEncoder

RERANKED_HITS = CANDIDATES
"""First hits of a search for texts that a cross-encoder puts in order."""


def wanted_hits(limit: int) -> int:
    """The hits that a search has to find for a cross-encoder, of which `limit` are shown."""
    return max(limit, RERANKED_HITS)


def reranked(model: CrossEncoder, question: str, hits: Sequence[TextHit], limit: int) -> Sequence[TextHit]:
    """The first `limit` of the hits for texts in the order of the cross-encoder, with its scores."""
    scores = model.scores(question, [hit.text for hit in hits])
    scored = [replace(hit, score=score) for hit, score in zip(hits, scores, strict=True)]
    return sorted(scored, key=lambda hit: -hit.score)[:limit]
