"""The collections that are searched, each with its model in memory: no question is embedded by another model.

A public name such as `documents` is an alias, which a migration points at the collection of another model at any
moment. So the alias is looked at every few seconds and never searched: a question is embedded by the model that a
collection names, and searched for in that collection. (Milvus itself resolves an alias several times in one search.)
When the alias points elsewhere, the model of the new collection is loaded while the old collection, which maintenance
drops much later, goes on answering.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from ingest.common.errors import ConfigurationError, JobError
from ingest.common.identity import model_key
from ingest.milvus.client import connect, errors_as_sentences
from ingest.milvus.partition_key import partition_key_in
from ingest.milvus.schema import MODEL_PROPERTY
from ingest.models.clip_model import ClipModel
from ingest.models.text_model import TextModel
from ingest.search.loaded_model import LoadedModel
from ingest.search.query import COLLECTIONS_BY_KIND, HitKind
from ingest.search.query_models import labelled_model
from ingest.service.settings import ASKING, ServiceSettings

if TYPE_CHECKING:
    from pymilvus import MilvusClient

AGAIN_AFTER = 60.0
"""Seconds after which a model that could not be loaded is tried again."""

OF_ONE_MODEL = (HitKind.PAGES, HitKind.IMAGES)
"""Kinds whose collections have the key of their model in their names; the others have that of two models."""

Load = Callable[[TextModel | ClipModel], LoadedModel]


@dataclass(frozen=True, slots=True)
class Generation:
    """A collection, and the model that made it.

    Attributes:
        collection: the collection itself, and no alias.
        full_text: whether it can be searched by words.
        partition_key: name of the owner's value by which it is partitioned; empty if by none.
    """

    kind: HitKind
    collection: str
    full_text: bool
    model: LoadedModel
    partition_key: str = ""


@dataclass(frozen=True, slots=True)
class Searched:
    """What can be searched at a moment.

    Attributes:
        generations: by kind.
        problems: by kind, why the collection under its alias cannot be searched; the kind may have an older one.
        away: why Milvus does not answer; empty if it does.
    """

    generations: Mapping[HitKind, Generation] = field(default_factory=dict)
    problems: Mapping[HitKind, str] = field(default_factory=dict)
    away: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether Milvus answers, and every collection that was ingested, or the one before it, has its model."""
        return not self.away and self.problems.keys() <= self.generations.keys()


class Catalogue:
    """Keeps `searched` true to the aliases. `look` is called by one thread at a time, the rest by any.

    Args:
        load: loads a model.
        clock: seconds.
    """

    def __init__(self, settings: ServiceSettings, load: Load, clock: Callable[[], float] = time.monotonic) -> None:
        self.searched = Searched()
        self._settings = settings
        self._load = load
        self._clock = clock
        self._client: MilvusClient | None = None
        self._connecting = Lock()
        self._failed: dict[str, float] = {}

    def client(self) -> MilvusClient:
        """The connection to Milvus.

        Raises:
            UnreachableError, ConfigurationError: as `connect`.
        """
        with self._connecting:
            if self._client is None:
                self._client = connect(self._settings.milvus_uri)
            return self._client

    def look(self) -> None:
        """Look at the aliases once, and load what is new."""
        try:
            client = self.client()
            with errors_as_sentences(self._settings.milvus_uri):
                found = {kind: described(client, self._public(kind)) for kind in self._settings.kinds}
        except JobError as error:
            self.searched = replace(self.searched, away=str(error))
            return
        generations = {kind: kept for kind, kept in self.searched.generations.items() if found[kind]}
        problems = {kind: problem for kind, problem in self.searched.problems.items() if found[kind]}
        self.searched = Searched(generations, problems)
        for kind, description in found.items():
            if description is None:
                continue
            generation, problem = self._found(kind, description)
            generations = generations | ({kind: generation} if generation else {})
            problems = {other: said for other, said in problems.items() if other != kind}
            problems |= {kind: problem} if problem else {}
            self.searched = Searched(generations, problems)  # at once: another kind's model may take minutes

    def _public(self, kind: HitKind) -> str:
        return self._settings.prefix + COLLECTIONS_BY_KIND[kind]

    def _found(self, kind: HitKind, description: Mapping[str, Any]) -> tuple[Generation | None, str]:
        """What is searched from now on for a kind, or None for what was; and why it is not what the alias says."""
        collection = str(description["collection_name"])
        kept = self.searched.generations.get(kind)
        if kept is not None and kept.collection == collection:
            return kept, ""
        if self._clock() < self._failed.get(collection, 0.0):
            return None, self.searched.problems.get(kind, "")
        try:
            model = self._model(kind, collection, description)
            with errors_as_sentences(self._settings.milvus_uri):
                self.client().load_collection(collection, timeout=ASKING.seconds)
        except JobError as error:
            self._failed[collection] = self._clock() + AGAIN_AFTER
            return None, str(error)
        self._failed.pop(collection, None)
        full_text = any(each["name"] == "sparse" for each in description["fields"])
        return Generation(kind, collection, full_text, model, partition_key_in(description)), ""

    def _model(self, kind: HitKind, collection: str, description: Mapping[str, Any]) -> LoadedModel:
        """The model of a collection, in memory.

        Raises:
            ConfigurationError: it is not known, not there, or another one by now.
        """
        public = self._public(kind)
        label = str(description["properties"].get(MODEL_PROPERTY, ""))
        if not label:
            raise ConfigurationError(f"{public!r} does not say which model it was made with")
        path = self._settings.paths.get(label, "")
        model = labelled_model(kind, path or label)
        sentence = f"{public!r} was made with {label}, and {path or label!r} on this node"
        lengths = [int(each["params"]["dim"]) for each in description["fields"] if each["name"] == "embedding"]
        if lengths != [model.dimension]:
            raise ConfigurationError(f"{sentence} has vectors of another length; put the right model there")
        if not path and kind in OF_ONE_MODEL and collection != f"{public}_{model_key(model.identity)}":
            raise ConfigurationError(f"{sentence} is another model by now; put the former one back, or ingest anew")
        same = (kept.model for kept in self.searched.generations.values() if kept.model.model == model)
        return next(same, None) or self._load(model)


def described(client: MilvusClient, name: str) -> dict[str, Any] | None:
    """Milvus's description of a collection, or of that which an alias points at; None if there is neither."""
    if not client.has_collection(name, timeout=ASKING.seconds):
        return None
    found: dict[str, Any] = client.describe_collection(name, timeout=ASKING.seconds)
    return found
