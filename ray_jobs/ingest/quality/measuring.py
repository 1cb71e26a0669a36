"""Ask the questions in each way of searching, as search.py asks them, and look where the right places stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Protocol

from ingest.milvus.expressions import literal
from ingest.milvus.filters import Filter
from ingest.milvus.partition_key import partition_key_of
from ingest.milvus.schema import has_full_text
from ingest.quality.metrics import DEPTH, Scores, scores_of
from ingest.quality.questions import Place, Question
from ingest.search.answers import find_hits
from ingest.search.hits import FrameHit, Hit, PageHit, SpokenHit
from ingest.search.narrowing import narrowed
from ingest.search.query import BY_DEFAULT, COLLECTIONS_BY_KIND, TEXT_KINDS, Asking, HitKind, SearchMode

if TYPE_CHECKING:
    import numpy as np
    from pymilvus import MilvusClient

    from ingest.models.cross_encoder import CrossEncoder


class Search(StrEnum):
    """A way of searching: those of `SearchMode`, and the hits of the hybrid search in a cross-encoder's order."""

    DENSE = "dense"
    WORDS = "words"
    HYBRID = "hybrid"
    RERANKED = "reranked"


@dataclass(frozen=True, slots=True)
class Answer:
    """Where the places of one question stand.

    Attributes:
        scores: of each way of searching; images and frames are searched by meaning alone.
        first: for each, the rank of the first right hit, or None.
    """

    question: Question
    scores: dict[Search, Scores]
    first: dict[Search, int | None]


class Embedder(Protocol):
    """What `QueryModels` does for questions."""

    def embed_question(self, kind: HitKind, question: str) -> np.ndarray: ...


class Measuring:
    """Measures questions, one after the other.

    Args:
        prefix: prefix of the collections' names; those of the questions exist and are loaded.
        models: embed the questions.
        reranker: orders the hits of texts; None for no such search.
        tolerance: seconds by which a hit in a recording may miss the second of its place.
        conditions: what hits fulfil.
    """

    def __init__(
        self,
        client: MilvusClient,
        prefix: str,
        models: Embedder,
        reranker: CrossEncoder | None,
        tolerance: float,
        conditions: Filter = (),
    ) -> None:
        self._client, self._prefix, self._models = client, prefix, models
        self._reranker, self._tolerance, self._conditions = reranker, tolerance, conditions
        self._sources: dict[HitKind, set[str]] = {}
        self.has_full_text = cache(lambda kind: has_full_text(client, self.collection(kind)))
        self._asking = cache(self._asked_for)

    def collection(self, kind: HitKind) -> str:
        """The full name of the collection of a kind."""
        return self._prefix + COLLECTIONS_BY_KIND[kind]

    def answer(self, question: Question) -> Answer:
        """Ask a question in each way.

        Raises:
            ConfigurationError: the model that its kind needs is unavailable.
        """
        vector = self._models.embed_question(question.kind, question.text)
        scores: dict[Search, Scores] = {}
        first: dict[Search, int | None] = {}
        for search in self._searches(question.kind):
            hits = self._hits(search, question, vector)
            self._sources.setdefault(question.kind, set()).update(hit.source for hit in hits)
            right = right_hits(hits, question.places, self._tolerance)
            scores[search] = scores_of(right, len(question.places))
            first[search] = right.index(True) + 1 if True in right else None
        return Answer(question, scores, first)

    def missing(self, questions: Sequence[Question]) -> list[Place]:
        """Places whose source has no rows, so that no search can find it."""
        return [
            place
            for question in questions
            for place in question.places
            if not any(is_source(seen, place.source) for seen in self._sources.get(question.kind, ()))
            and not self._has_rows(question.kind, place.source)
        ]

    def _searches(self, kind: HitKind) -> list[Search]:
        searches = [Search.DENSE]
        if kind in TEXT_KINDS and self.has_full_text(kind):
            searches += [Search.WORDS, Search.HYBRID]
        if kind in TEXT_KINDS and self._reranker is not None:
            searches.append(Search.RERANKED)
        return searches

    def _hits(self, search: Search, question: Question, vector: np.ndarray) -> Sequence[Hit]:
        kind = question.kind
        asking = self._asking(kind)
        if asking is None:
            return []
        mode = SearchMode.HYBRID if search is Search.RERANKED else SearchMode(search)
        if mode is SearchMode.HYBRID and not self.has_full_text(kind):
            mode = SearchMode.DENSE
        asked = None if mode is SearchMode.WORDS else vector
        reranker = self._reranker if search is Search.RERANKED else None
        place = self._client, kind, self.collection(kind)
        return find_hits(*place, question.text, asked, DEPTH, mode, asking, reranker)

    def _asked_for(self, kind: HitKind) -> Asking | None:
        """How the collection of a kind is asked; None if none of its rows can fulfil the conditions."""
        key = partition_key_of(self._client, self.collection(kind)) if self._conditions else ""
        return narrowed(self._client, BY_DEFAULT, self._conditions, COLLECTIONS_BY_KIND[kind], key)

    def _has_rows(self, kind: HitKind, source: str) -> bool:
        whole = "://" in source
        if not whole and not self.has_full_text(kind):
            return True  # servers before 2.5 know no pattern for the end of a text: nothing is known
        # A wildcard in the name lets more through: this decides only about a warning.
        condition = f"source == {literal(source)}" if whole else f"source like {literal('%/' + source)}"
        return bool(self._client.query(self.collection(kind), filter=condition, output_fields=["source"], limit=1))


def right_hits(hits: Sequence[Hit], places: Sequence[Place], tolerance: float) -> list[bool]:
    """For each hit, whether it is one of the places and no earlier hit was that one."""
    left = list(places)
    right = []
    for hit in hits:
        found = next((place for place in left if is_at(hit, place, tolerance)), None)
        if found is not None:
            left.remove(found)
        right.append(found is not None)
    return right


def is_at(hit: Hit, place: Place, tolerance: float) -> bool:
    """Whether a hit is at a place, for a person who opens its page, or plays the recording from its second."""
    if not is_source(hit.source, place.source):
        return False
    match hit:
        case PageHit():
            return place.page in (None, hit.page)
        case SpokenHit():
            return place.second is None or hit.start - tolerance <= place.second <= hit.end + tolerance
        case FrameHit():
            return place.second is None or abs(hit.time - place.second) <= tolerance
    return True


def is_source(uri: str, named: str) -> bool:
    """Whether a question's source names the object with this URI: all of it, or its end from behind a slash on."""
    return uri == named or uri.endswith(f"/{named}")
