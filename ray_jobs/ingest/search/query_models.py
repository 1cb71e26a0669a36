"""Embed questions and images for a search: each collection is searched with the model that embedded its rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ingest.common.errors import ConfigurationError, ObjectError
from ingest.common.identity import model_key
from ingest.migration.generations import UNKNOWN_MODEL, model_of
from ingest.milvus.client import alias_target
from ingest.milvus.schema import dimension_of
from ingest.models.clip_model import ClipModel, find_clip_model, find_labelled_clip_model, input_square
from ingest.models.text_model import TextModel, find_text_model
from ingest.run.script import say_to_stderr
from ingest.search.loaded_model import LoadedModel
from ingest.search.query import COLLECTIONS_BY_KIND, TEXT_KINDS, HitKind

if TYPE_CHECKING:
    from pymilvus import MilvusClient


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
        self._loaded: dict[str, LoadedModel] = {}

    def embed_question(self, kind: HitKind, question: str) -> np.ndarray:
        """Embed a question for the collection of a kind.

        Returns:
            A unit vector: a float32 array of shape (dimension,).

        Raises:
            ConfigurationError: the model does not exist, cannot be loaded, or has vectors of another length.
        """
        return self._loaded_once(self._model(kind)).embed_question(question)

    def embed_image(self, kind: HitKind, path: Path) -> np.ndarray:
        """Embed an image file for the collection of images or of frames.

        Returns:
            A unit vector: a float32 array of shape (dimension,).

        Raises:
            ConfigurationError: as for `embed_question`, or the file is not an image.
        """
        from ingest.image.decoder import pixels_of_file

        model = self._model(kind)
        assert isinstance(model, ClipModel)
        try:
            pixels = pixels_of_file(path, input_square(model))
        except ObjectError as error:
            raise ConfigurationError(f"--image {str(path)!r}: {error.message}") from None
        return self._loaded_once(model).embed_image(pixels)

    def _model(self, kind: HitKind) -> TextModel | ClipModel:
        if kind not in self._models:
            name = self._prefix + COLLECTIONS_BY_KIND[kind]
            ingested = model_of(self._client, name)
            flag, named = ("--embedding-model", self._text) if kind in TEXT_KINDS else ("--clip-model", self._clip)
            if not named and ingested == UNKNOWN_MODEL:
                raise ConfigurationError(f"{name!r} does not say which model it was made with; give {flag}")
            if named and kind not in TEXT_KINDS:
                self._models[kind] = find_clip_model(named, self._pretrained)
            else:
                self._models[kind] = labelled_model(kind, named or ingested)
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

    def _loaded_once(self, model: TextModel | ClipModel) -> LoadedModel:
        if model.label not in self._loaded:
            self._loaded[model.label] = LoadedModel(model, say_to_stderr)
        return self._loaded[model.label]


def labelled_model(kind: HitKind, label: str) -> TextModel | ClipModel:
    """Find the model with the label that a collection of this kind of hits has.

    Raises:
        ConfigurationError: the model does not exist.
    """
    return find_text_model(label) if kind in TEXT_KINDS else find_labelled_clip_model(label)
