"""What questions and images are embedded with: for each collection, the model that it was made with."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ingest.common.errors import ConfigurationError, ObjectError
from ingest.common.identity import model_key
from ingest.common.text import one_line
from ingest.common.waiting import announce_wait
from ingest.migration.generations import UNKNOWN, model_of
from ingest.milvus.client import alias_target
from ingest.milvus.schema import dimension_of
from ingest.models.clip_model import ClipModel, check_weights, clip_model_of, find_clip_model, square_of
from ingest.models.text_model import TextModel, find_text_model
from ingest.search.query import COLLECTION, OF_TEXT, HitKind

if TYPE_CHECKING:
    from pymilvus import MilvusClient

    from ingest.models.clip_encoder import ClipEncoder
    from ingest.models.text_encoder import TextEncoder

T = TypeVar("T")


class QueryModels:
    """Loads each model once, when the first question needs it.

    Args:
        prefix: of the collections' names.
        text, clip, pretrained: models that the user named; empty: those that the collections were made with.
    """

    def __init__(self, client: MilvusClient, prefix: str, text: str, clip: str, pretrained: str) -> None:
        self._client = client
        self._prefix = prefix
        self._text, self._clip, self._pretrained = text, clip, pretrained
        self._models: dict[HitKind, TextModel | ClipModel] = {}
        self._text_encoders: dict[str, TextEncoder] = {}
        self._clip_encoders: dict[str, ClipEncoder] = {}

    def of_question(self, kind: HitKind, question: str) -> np.ndarray:
        """The embedding of a question for a collection, float32 of shape (dimension,).

        Raises:
            ConfigurationError: there is no such model, it cannot be loaded, or its vectors have another length.
        """
        model = self._model(kind)
        if isinstance(model, TextModel):
            return self._text_encoder(model).encode_query(question)
        return self._clip_encoder(model).encode_text(question)

    def of_image(self, kind: HitKind, path: Path) -> np.ndarray:
        """The embedding of an image for a collection of images or frames, float32 of shape (dimension,).

        Raises:
            ConfigurationError: as `of_question`, or the file is no image.
        """
        from ingest.image.decoder import pixels_of_file

        model = self._model(kind)
        assert isinstance(model, ClipModel)
        try:
            pixels = pixels_of_file(path, square_of(model))
        except ObjectError as error:
            raise ConfigurationError(f"--image {str(path)!r}: {error.message}") from None
        return self._clip_encoder(model).encode_images(pixels)[0]

    def _model(self, kind: HitKind) -> TextModel | ClipModel:
        if kind not in self._models:
            name = self._prefix + COLLECTION[kind]
            ingested = model_of(self._client, name)
            flag, named = ("--embedding-model", self._text) if kind in OF_TEXT else ("--clip-model", self._clip)
            if not named and ingested == UNKNOWN:
                raise ConfigurationError(f"{name!r} does not say which model it was made with; give {flag}")
            if kind in OF_TEXT:
                self._models[kind] = find_text_model(named or ingested)
            else:
                self._models[kind] = find_clip_model(named, self._pretrained) if named else clip_model_of(ingested)
            self._check(name, ingested, self._models[kind], flag)
        return self._models[kind]

    def _check(self, name: str, ingested: str, model: TextModel | ClipModel, flag: str) -> None:
        """Say so when the question would be embedded by another model than what is searched."""
        if ingested == model.label or alias_target(self._client, name) == f"{name}_{model_key(model.identity)}":
            return
        sentence = f"{name!r} was made with {ingested} and not with {model.label}"
        if dimension_of(self._client, name, "embedding") != model.dimension:
            raise ConfigurationError(f"{sentence}; give {flag} the one it was made with")
        # The same model by another name or path looks like this too.
        print(f"WARNING: {sentence}; if these are not the same model, the answers are random", file=sys.stderr)

    def _text_encoder(self, model: TextModel) -> TextEncoder:
        def load() -> TextEncoder:
            from ingest.models.text_encoder import TextEncoder  # seconds, so not before all else is known to be right

            return TextEncoder(model.name, model.dimension, threads=os.cpu_count() or 1)

        return _once(self._text_encoders, model.label, load)

    def _clip_encoder(self, model: ClipModel) -> ClipEncoder:
        def load() -> ClipEncoder:
            from ingest.models.clip_encoder import ClipEncoder

            return ClipEncoder(model.name, model.pretrained, model.dimension, threads=os.cpu_count() or 1)

        if model.label not in self._clip_encoders:
            check_weights(model)
        return _once(self._clip_encoders, model.label, load)


def say_aside(line: str) -> None:
    """A line on stderr, which is no part of the answers."""
    print(line, file=sys.stderr, flush=True)


def _once(loaded: dict[str, T], label: str, load: Callable[[], T]) -> T:
    if label not in loaded:
        # It takes from seconds to, at the first time, a download of minutes.
        try:
            with announce_wait(f"loading the model {label}", say_aside):
                loaded[label] = load()
        except Exception as error:  # of the model's library, which may raise anything
            raise ConfigurationError(f"the model {label} cannot be loaded ({one_line(error, 200)})") from None
    return loaded[label]
