"""Answers questions from the collections in the catalogue. It knows neither HTTP nor Ray, and blocks its thread.

Its methods raise RefusedError for whatever they cannot answer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from ingest.common.errors import ConfigurationError, JobError, UnreachableError
from ingest.common.waiting import watching
from ingest.milvus.client import errors_as_sentences
from ingest.milvus.expressions import beginning
from ingest.models.clip_model import ClipModel, input_square
from ingest.models.cross_encoder import CrossEncoder, find_cross_encoder
from ingest.run.script import say_to_stderr
from ingest.search.answers import JSON_NAMES, as_json, find_hits, mode_for, unsuitable
from ingest.search.hits import Hit
from ingest.search.loaded_model import LoadedModel
from ingest.search.narrowing import narrowed
from ingest.search.query import COLLECTIONS_BY_KIND, HitKind, SearchMode
from ingest.search.similar import similar_sources
from ingest.service.bodies import Likeness, Question
from ingest.service.catalogue import Catalogue, Generation, Load, Searched
from ingest.service.pictures import Pictures
from ingest.service.refused import AGAIN_SECONDS, RefusedError
from ingest.service.settings import ASKING, AT_WORK, LOOK_SECONDS, ServiceSettings

_NOT_THERE = (100, 101)
"""Codes of Milvus for a collection that does not exist, or is not loaded."""


def _reranker(settings: ServiceSettings) -> CrossEncoder:
    """The cross-encoder of the settings, from where this node has it.

    Raises:
        ConfigurationError: it is not there, or cannot be loaded.
    """
    path = settings.paths.get(settings.reranker, "")
    name = find_cross_encoder(path, "--model-paths") if path else settings.reranker
    return CrossEncoder(name, say_to_stderr, settings.threads, settings.device)


class SearchService:
    """The service in one process. Its constructor loads the models of all collections that there are.

    Args:
        load: loads a model; by default with the threads and on the device of the settings.
    """

    def __init__(self, settings: ServiceSettings, load: Load | None = None) -> None:
        def load_here(model: Any) -> LoadedModel:
            return LoadedModel(model, say_to_stderr, settings.threads, settings.device, warm=True)

        self._settings = settings
        self._reranker = _reranker(settings) if settings.reranker else None
        self._catalogue = Catalogue(settings, load or load_here)
        self._pictures = Pictures()
        self._threads = ThreadPoolExecutor(2 * AT_WORK, "milvus")
        self._closing = ExitStack()
        self._catalogue.look()
        self._closing.enter_context(watching(self._look, LOOK_SECONDS, "watch-aliases"))

    def close(self) -> None:
        """End its thread and its child processes."""
        self._closing.close()
        self._threads.shutdown()
        self._pictures.close()

    def _look(self) -> bool:
        try:
            self._catalogue.look()
        except Exception:  # the next look may find what this one did not understand
            logging.getLogger(__name__).exception("the collections could not be looked at")
        return False

    def state(self) -> dict[str, Any]:
        """What can be searched now, as plain JSON."""
        searched = self._catalogue.searched
        kinds = {
            kind: {"collection": generation.collection, "model": generation.model.model.label}
            for kind, generation in searched.generations.items()
        }
        said = {"problem": searched.away} if searched.away else {}
        said |= {"reranker": self._settings.reranker} if self._reranker else {}
        return {"ready": searched.is_ready, "searched": kinds, "problems": dict(searched.problems), **said}

    def search(self, question: Question) -> dict[str, Any]:
        """The answer to a question as plain JSON: that of `search.py --json`, and thumbnails if they are asked for."""
        if question.rerank and self._reranker is None:
            raise RefusedError(400, "this service has no cross-encoder that could rerank; leave out 'rerank'")
        searched = self._catalogue.searched
        kinds, skipped = self._kinds(question, searched)
        vectors: dict[LoadedModel, np.ndarray] = {}
        with self._as_refusals():
            asked = [self._asked(question, searched.generations[kind], vectors) for kind in kinds]
            # Milvus is asked for all kinds at the same time.
            answer = dict(zip(kinds, self._threads.map(lambda of_kind: self._hits(*of_kind), asked), strict=True))
        found = as_json(question.text, answer)
        if question.thumbnails:
            for kind, hits in answer.items():
                for row, hit in zip(found[JSON_NAMES[kind]], hits, strict=True):
                    row["thumbnail"] = self._pictures.thumbnail(hit)
        return found | ({"skipped": skipped} if skipped else {})

    def similar(self, likeness: Likeness) -> dict[str, Any]:
        """The objects that are most similar to another one, as plain JSON."""
        with self._as_refusals():
            try:
                client, prefix = self._catalogue.client(), self._settings.prefix
                found = similar_sources(client, prefix, likeness.source, likeness.limit, ASKING, likeness.conditions)
            except ConfigurationError as error:
                raise RefusedError(404, str(error)) from None
        return {"source": likeness.source, "similar": [asdict(each) for each in found]}

    def _kinds(self, question: Question, searched: Searched) -> tuple[list[HitKind], dict[str, str]]:
        """The kinds to search, and why others are left out."""
        wanted = list(question.kinds or self._settings.kinds)
        if refused := [kind for kind in wanted if kind not in self._settings.kinds]:
            raise RefusedError(404, f"this service does not search {', '.join(refused)}")
        left_out, reason = unsuitable(wanted, question.mode, bool(question.image))
        reason = reason.replace("--mode", "mode")
        wanted = [kind for kind in wanted if kind not in left_out]
        if not wanted:
            raise RefusedError(400, f"nothing can be searched in this way: {reason}")
        skipped = {str(kind): reason for kind in left_out if kind in searched.generations or question.kinds}
        kinds = []
        for kind in wanted:
            if kind in searched.generations:
                kinds.append(kind)
            elif problem := searched.problems.get(kind) or searched.away:
                if question.kinds:
                    raise RefusedError(503, f"{kind} cannot be searched now: {problem}", AGAIN_SECONDS)
                skipped[kind] = problem
            elif question.kinds:
                name = self._settings.prefix + COLLECTIONS_BY_KIND[kind]
                raise RefusedError(404, f"there is no collection {name!r}: none of {kind} was ingested yet")
        if not kinds and (problems := [*searched.problems.values(), searched.away]) and any(problems):
            raise RefusedError(503, f"nothing can be searched now: {next(filter(None, problems))}", AGAIN_SECONDS)
        if not kinds:
            raise RefusedError(404, "nothing was ingested yet that can be searched in this way")
        return kinds, skipped

    def _asked(
        self, question: Question, generation: Generation, vectors: dict[LoadedModel, np.ndarray]
    ) -> tuple[Question, Generation, np.ndarray | None, SearchMode]:
        """The arguments of `_hits`, for which the question is embedded once by each model."""
        mode = question.mode
        if not question.image:
            mode = mode_for(generation.full_text, generation.collection, mode, lambda line: None)
            if mode is SearchMode.WORDS:
                return question, generation, None, mode
        if generation.model not in vectors:
            vectors[generation.model] = self._embedded(question, generation.model)
        return question, generation, vectors[generation.model], mode

    def _hits(
        self, question: Question, generation: Generation, vector: np.ndarray | None, mode: SearchMode
    ) -> Sequence[Hit]:
        from pymilvus.exceptions import MilvusException

        client, of_kind = self._catalogue.client(), COLLECTIONS_BY_KIND[generation.kind]
        how = replace(ASKING, context=question.context)
        asking = narrowed(client, how, question.conditions, of_kind, generation.partition_key)
        if asking is None:
            return []
        if question.prefix:
            conditions = (beginning(question.prefix), asking.condition)
            asking = replace(asking, condition=" and ".join(f"({each})" for each in conditions if each))
        place = client, generation.kind, generation.collection
        reranker = None if question.rerank is False or question.image else self._reranker
        asked = partial(find_hits, *place, question.text, vector, question.limit, mode, asking, reranker)
        try:
            return asked()
        except MilvusException as error:
            if error.code not in _NOT_THERE:
                raise
            if not client.has_collection(generation.collection, timeout=ASKING.seconds):
                raise UnreachableError(
                    f"{generation.kind} are being switched to another model, which is still loading"
                ) from None
            # After a restart, Milvus Lite has released its collections.
            client.load_collection(generation.collection, timeout=ASKING.seconds)
            return asked()

    def _embedded(self, question: Question, model: LoadedModel) -> np.ndarray:
        if not question.image:
            return model.embed_question(question.text)
        assert isinstance(model.model, ClipModel)
        return model.embed_image(self._pictures.pixels(question.image, input_square(model.model)))

    @contextmanager
    def _as_refusals(self) -> Iterator[None]:
        try:
            with errors_as_sentences(self._settings.milvus_uri):
                yield
        except UnreachableError as error:
            raise RefusedError(503, str(error), AGAIN_SECONDS) from None
        except ConfigurationError as error:
            raise RefusedError(400, str(error).replace("--mode", "mode")) from None
        except JobError as error:
            raise RefusedError(503, str(error), AGAIN_SECONDS) from None
