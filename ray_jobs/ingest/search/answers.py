"""Answers: the hits of each kind, as JSON for programs, and back. `search.py` and the service share this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from ingest.common.errors import ConfigurationError
from ingest.search.context import with_context
from ingest.search.hits import FrameHit, Hit, ImageHit, PageHit, SpokenHit, TextHit, hashable
from ingest.search.query import (
    BY_DEFAULT,
    TEXT_KINDS,
    Asking,
    HitKind,
    SearchMode,
    search_documents,
    search_frames,
    search_images,
    search_segments,
)
from ingest.search.reranking import reranked, wanted_hits

if TYPE_CHECKING:
    import numpy as np
    from pymilvus import MilvusClient

    from ingest.models.cross_encoder import CrossEncoder

HitsByKind = Mapping[HitKind, Sequence[Hit]]

JSON_NAMES = {
    HitKind.PAGES: "hits",
    HitKind.IMAGES: "images",
    HitKind.SPOKEN: "spoken",
    HitKind.FRAMES: "frames",
}

HIT_TYPES: Mapping[HitKind, type[Hit]] = {
    HitKind.PAGES: PageHit,
    HitKind.IMAGES: ImageHit,
    HitKind.SPOKEN: SpokenHit,
    HitKind.FRAMES: FrameHit,
}


def find_hits(
    client: MilvusClient,
    kind: HitKind,
    collection: str,
    question: str,
    vector: np.ndarray | None,
    limit: int,
    mode: SearchMode,
    asking: Asking = BY_DEFAULT,
    reranker: CrossEncoder | None = None,
) -> Sequence[Hit]:
    """The best hits of a kind.

    Args:
        collection: full name of the collection of that kind.
        question: the text whose words are searched for; empty for an image.
        vector: embedding of the question or the image, shape (dimension,); None for SearchMode.WORDS in texts.
        reranker: puts the first hits for texts in order.
    """
    if kind in TEXT_KINDS:
        find = search_documents if kind is HitKind.PAGES else search_segments
        wanted = limit if reranker is None else wanted_hits(limit)
        texts: Sequence[TextHit] = find(client, collection, question, vector, wanted, mode, asking)
        if reranker is not None:
            texts = reranked(reranker, question, texts, limit)
        return with_context(client, collection, texts, asking) if asking.context else texts
    assert vector is not None
    look = search_images if kind is HitKind.IMAGES else search_frames
    return look(client, collection, vector, limit, asking)


def mode_for(full_text: bool, name: str, mode: SearchMode, say: Callable[[str], None]) -> SearchMode:
    """The mode, or the search by meaning alone where a collection has no full-text index.

    Args:
        full_text: whether the collection `name` has one.
        say: prints a line about a change of the mode.

    Raises:
        ConfigurationError: only words are searched.
    """
    if mode is SearchMode.DENSE or full_text:
        return mode
    if mode is SearchMode.WORDS:
        raise ConfigurationError(
            f"{name!r} has no full-text index, which takes Milvus 2.5 or Milvus Lite; search it with --mode dense"
        )
    say(f"{name!r} has no full-text index: it is searched by meaning alone")
    return SearchMode.DENSE


def unsuitable(kinds: Sequence[HitKind], mode: SearchMode, with_image: bool) -> tuple[list[HitKind], str]:
    """The kinds that cannot be searched in this way, and why."""
    if with_image:
        return [kind for kind in kinds if kind in TEXT_KINDS], "an image finds only images and frames"
    if mode is SearchMode.WORDS:
        return [kind for kind in kinds if kind not in TEXT_KINDS], "--mode words finds only texts"
    return [], ""


def as_json(question: str, answer: HitsByKind) -> dict[str, Any]:
    """The answer to a question as plain JSON."""
    found = {
        JSON_NAMES[kind]: [{**asdict(hit), "owner": dict(hit.owner)} for hit in hits] for kind, hits in answer.items()
    }
    return {"question": question, **found}


def from_json(answer: Mapping[str, Any]) -> dict[HitKind, list[Hit]]:
    """The hits in an answer that `as_json` has made, also those of an older program, which lack what has a default.

    What a newer program has added to it is left out.

    Raises:
        KeyError, TypeError, AttributeError: it is no such answer.
    """
    kinds = {name: kind for kind, name in JSON_NAMES.items()}
    found: dict[HitKind, list[Hit]] = {}
    for name in (name for name in answer if name in kinds):
        hit_type = HIT_TYPES[kinds[name]]
        known = [field.name for field in fields(hit_type) if field.name != "owner"]
        found[kinds[name]] = [
            hit_type(
                **{field: hashable(hit[field]) for field in known if field in hit},
                owner=tuple(hit.get("owner", {}).items()),
            )
            for hit in answer[name]
        ]
    return found
