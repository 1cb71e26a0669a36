"""Embed questions and images for a search: each collection is searched with the model that embedded its rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ingest.common.errors import ConfigurationError, ObjectError
from ingest.common.identity import model_key
from ingest.common.text import as_typed, one_line
from ingest.common.waiting import announce_wait
from ingest.migration.generations import UNKNOWN_MODEL, model_of
from ingest.milvus.client import alias_target
from ingest.milvus.schema import dimension_of
from ingest.models.clip_model import ClipModel, check_weights, find_clip_model, find_labelled_clip_model, input_square
from ingest.models.text_model import TextModel, find_text_model
from ingest.run.script import say_to_stderr
from ingest.search.query import COLLECTIONS_BY_KIND, TEXT_KINDS, HitKind

if TYPE_CHECKING:
    from pymilvus import MilvusClient

    from ingest.models.clip_encoder import ClipEncoder
    from ingest.models.text_encoder import TextEncoder

T = TypeVar("T")


class QueryModels:
    """Loads each model once, when the first question needs it.

    Args:
        prefix: prefix of the collections' names.
        text, clip, pretrained: models that the user named; empty for those that embedded the collections' rows.
    """

    def __init__(self, client: MilvusClient, prefix: str, text: str, clip: str, pretrained: str) -> None:
        self._client = client
        self._prefix = prefix
        self._text, self._clip, self._pretrained = text, clip, pretrained
        self._models: dict[HitKind, TextModel | ClipModel] = {}
        self._text_encoders: dict[str, TextEncoder] = {}
        self._clip_encoders: dict[str, ClipEncoder] = {}

    def embed_question(self, kind: HitKind, question: str) -> np.ndarray:
        """Embed a question for the collection of a kind.

        Returns:
            A unit vector: a float32 array of shape (dimension,).

        Raises:
            ConfigurationError: the model does not exist, cannot be loaded, or has vectors of another length.
        """
        model, question = self._model(kind), as_typed(question)
        if isinstance(model, TextModel):
            return self._text_encoder(model).encode_query(question)
        return self._clip_encoder(model).encode_text(question)

    def embed_image(self, kind: HitKind, path: Path) -> np.ndarray:
        """Embed an image file for the collection of images or of frames.

        Returns:
            A unit vector: a float32 array of shape (dimension,).

        Raises:
            ConfigurationError: as for `embed_question`, or the file is not an image.
        """
        from ingest.image.decoder import pixels_of_file
        from ingest.models.clip_encoder import pooled

        model = self._model(kind)
        assert isinstance(model, ClipModel)
        try:
            pixels = pixels_of_file(path, input_square(model))
        except ObjectError as error:
            raise ConfigurationError(f"--image {str(path)!r}: {error.message}") from None
        return pooled(self._clip_encoder(model).encode_images(pixels), np.array([len(pixels)]))[0]

    def _model(self, kind: HitKind) -> TextModel | ClipModel:
        if kind not in self._models:
            name = self._prefix + COLLECTIONS_BY_KIND[kind]
            ingested = model_of(self._client, name)
            flag, named = ("--embedding-model", self._text) if kind in TEXT_KINDS else ("--clip-model", self._clip)
            if not named and ingested == UNKNOWN_MODEL:
                raise ConfigurationError(f"{name!r} does not say which model it was made with; give {flag}")
            if kind in TEXT_KINDS:
                self._models[kind] = find_text_model(named or ingested)
            else:
                self._models[kind] = (
                    find_clip_model(named, self._pretrained) if named else find_labelled_clip_model(ingested)
                )
            self._check(name, ingested, self._models[kind], flag)
        return self._models[kind]

    def _check(self, name: str, ingested: str, model: TextModel | ClipModel, flag: str) -> None:
        """Warn if another model may have embedded the rows; raise ConfigurationError if the dimensions differ."""
        if ingested == model.label or alias_target(self._client, name) == f"{name}_{model_key(model.identity)}":
            return
        sentence = f"{name!r} was made with {ingested} and not with {model.label}"
        if dimension_of(self._client, name, "embedding") != model.dimension:
            raise ConfigurationError(f"{sentence}; give {flag} the model that it was made with")
        # The same model under another name or path looks the same.
        say_to_stderr(f"WARNING: {sentence}; if these are not the same model, the answers are meaningless")

    def _text_encoder(self, model: TextModel) -> TextEncoder:
        def load() -> TextEncoder:
            from ingest.models.text_encoder import TextEncoder  # takes seconds: after all checks

            return TextEncoder(model.name, model.dimension, threads=os.cpu_count() or 1)

        return _loaded_once(self._text_encoders, model.label, load)

    def _clip_encoder(self, model: ClipModel) -> ClipEncoder:
        def load() -> ClipEncoder:
            from ingest.models.clip_encoder import ClipEncoder

            return ClipEncoder(model.name, model.pretrained, model.dimension, threads=os.cpu_count() or 1)

        if model.label not in self._clip_encoders:
            check_weights(model)
        return _loaded_once(self._clip_encoders, model.label, load)


def _loaded_once(loaded: dict[str, T], label: str, load: Callable[[], T]) -> T:
    if label not in loaded:
        # This takes seconds, or minutes if the model must be downloaded first.
        try:
            with announce_wait(f"loading the model {label}", say_to_stderr):
                loaded[label] = load()
        except Exception as error:  # the model's library may raise anything
            raise ConfigurationError(f"the model {label} cannot be loaded ({one_line(error, 200)})") from None
    return loaded[label]
