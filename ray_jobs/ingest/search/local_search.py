"""Answers questions from Milvus, with models in this process."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.common.errors import ConfigurationError
from ingest.milvus.client import connect, errors_as_sentences
from ingest.milvus.partition_key import partition_key_of
from ingest.milvus.refusals import without_credentials
from ingest.milvus.schema import has_full_text
from ingest.models.cross_encoder import CrossEncoder, find_cross_encoder
from ingest.run.script import say_to_stderr
from ingest.search.answers import HitsByKind, find_hits, mode_for, unsuitable
from ingest.search.hits import Hit
from ingest.search.narrowing import narrowed
from ingest.search.query import BY_DEFAULT, COLLECTIONS_BY_KIND, TEXT_KINDS, HitKind, SearchMode
from ingest.search.query_models import QueryModels

if TYPE_CHECKING:
    import numpy as np


class LocalSearch:
    """Searches the kinds that were ingested, or those that `arguments` name.

    Args:
        arguments: the parsed flags of `search.py`.

    Raises:
        ConfigurationError: a requested kind was never ingested, or no kind was.
    """

    def __init__(self, arguments: Namespace) -> None:
        self._arguments = arguments
        self._client = connect(arguments.milvus_uri)
        with errors_as_sentences(arguments.milvus_uri):
            self._kinds = self._searchable()
        self._models = QueryModels(
            self._client,
            arguments.collection,
            arguments.embedding_model,
            arguments.clip_model,
            arguments.clip_pretrained,
        )
        self._reranker_name = find_cross_encoder(arguments.reranker, "--reranker") if arguments.reranker else ""

    def answer(self, question: str, image: Path | None) -> HitsByKind:
        """The hits of each kind. Prints kinds that cannot be searched in this way, and forgets those without a model.

        Raises:
            ConfigurationError: a model is unavailable, and its kind was requested or is the only one.
        """
        with errors_as_sentences(self._arguments.milvus_uri):
            return self._answer(question, image)

    def picture_uri(self, hit: Hit) -> str:
        """The thumbnail of a hit as a `data:` URI; empty if it has none."""
        from ingest.search.thumbnails import data_uri

        return data_uri(hit)

    def _answer(self, question: str, image: Path | None) -> HitsByKind:
        arguments, kinds = self._arguments, self._kinds
        skipped, reason = unsuitable(kinds, arguments.mode, image is not None)
        if skipped:
            say_to_stderr(f"skipped {', '.join(skipped)}: {reason}")
        answer: dict[HitKind, Sequence[Hit]] = {}
        for kind in [kind for kind in kinds if kind not in skipped]:
            name = arguments.collection + COLLECTIONS_BY_KIND[kind]
            partition_key = partition_key_of(self._client, name) if arguments.conditions else ""
            how = replace(BY_DEFAULT, context=arguments.context)
            asking = narrowed(self._client, how, arguments.conditions, COLLECTIONS_BY_KIND[kind], partition_key)
            if asking is None:
                answer[kind] = []
                continue
            vector: np.ndarray | None = None
            mode = SearchMode.DENSE
            try:
                if image is not None:
                    vector = self._models.embed_image(kind, image)
                elif arguments.mode is not SearchMode.WORDS:
                    vector = self._models.embed_question(kind, question)
            except ConfigurationError as error:
                if arguments.kinds or image or len(kinds) == 1:
                    raise
                say_to_stderr(f"WARNING: skipped {kind}: {error}")
                kinds.remove(kind)
                continue
            if kind in TEXT_KINDS:
                mode = mode_for(has_full_text(self._client, name), name, arguments.mode, say_to_stderr)
            reranker = self._reranker if kind in TEXT_KINDS else None
            place = self._client, kind, name
            answer[kind] = find_hits(*place, question, vector, arguments.limit, mode, asking, reranker)
        return answer

    @cached_property
    def _reranker(self) -> CrossEncoder | None:
        """It is loaded when the first question needs it."""
        return CrossEncoder(self._reranker_name, say_to_stderr) if self._reranker_name else None

    def _searchable(self) -> list[HitKind]:
        """The kinds to search for, with their collections loaded.

        Raises:
            ConfigurationError: a requested kind was never ingested, or no kind was.
        """
        arguments = self._arguments
        found = []
        for kind in arguments.kinds or HitKind:
            name = arguments.collection + COLLECTIONS_BY_KIND[kind]
            if self._client.has_collection(name):
                self._client.load_collection(name)
                found.append(kind)
            elif arguments.kinds:
                raise self._missing(name)
        if not found:
            raise self._missing(arguments.collection + COLLECTIONS_BY_KIND[HitKind.PAGES])
        if arguments.image and all(kind in TEXT_KINDS for kind in found):
            raise ConfigurationError(
                "--image finds only images and frames, but --in names neither, or none were ingested"
            )
        return found

    def _missing(self, name: str) -> ConfigurationError:
        return ConfigurationError(
            f"Milvus at {without_credentials(self._arguments.milvus_uri)} has no collection {name!r}; ingest something "
            "first, or check --collection"
        )
