"""Collections of pages of two models whose vectors are at right angles, so that hits tell whose vectors met.

The models are folders with the small files of MiniLM. `StandIn` takes the place of their weights.
"""

import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from ingest.migration.generations import Names, publish
from ingest.milvus.schema import DOCUMENTS, VIDEO_SEGMENTS, ensure_rows
from ingest.models.text_model import TextModel, find_text_model

SMALL_FILES = ("config.json", "modules.json", "tokenizer.json", "tokenizer_config.json", "1_Pooling")


class StandIn:
    """In the place of a loaded model: every question has the direction of its model."""

    def __init__(self, model: TextModel, direction: int) -> None:
        self.model = model
        self._direction = direction

    def embed_question(self, question: str) -> np.ndarray:
        return unit(self._direction, self.model.dimension)


def unit(direction: int, dimension: int) -> np.ndarray:
    vector = np.zeros(dimension, np.float32)
    vector[direction] = 1
    return vector


class Pages:
    """The public name `documents` with a prefix of its own, and the collections of the models behind it."""

    def __init__(self, client: Any, minilm: str, folder: Path) -> None:
        self.client = client
        self.prefix = f"service_{uuid.uuid4().hex[:8]}_"
        self.models = [find_text_model(str(_copy(minilm, folder / name, name))) for name in ("first", "second")]
        self.made: list[Names] = []
        self.spoken = ""

    def names(self, which: int) -> Names:
        return Names.of(self.prefix, "pdfs", (DOCUMENTS,), self.models[which].identity)

    def make(self, which: int) -> str:
        """The collection of one of the models, with a page that says which one it is."""
        model, names = self.models[which], self.names(which)
        ensure_rows(self.client, DOCUMENTS, names.rows[0], model.dimension, model=model.label)
        self.made.append(names)
        row = {"id": "1", "source": "s3://b/a.pdf", "version": "v", "ordinal": 0, "page": 1, "kind": "text",
               "text": f"page of {Path(model.name).name}", "embedding": unit(which, model.dimension),
               "metadata": {}}  # fmt: skip
        self.client.upsert(names.rows[0], [row])
        publish(self.client, names)
        return names.rows[0]

    def make_spoken(self, which: int) -> None:
        """A spoken passage of one of the models, under the public name of passages."""
        model, name = self.models[which], f"{self.prefix}{VIDEO_SEGMENTS}"
        ensure_rows(self.client, VIDEO_SEGMENTS, f"{name}_key", model.dimension, model=model.label)
        row = {"id": "1", "source": "s3://b/a.mp4", "version": "v", "ordinal": 0, "start": 0.0, "end": 1.0,
               "text": f"passage of {Path(model.name).name}", "embedding": unit(which, model.dimension),
               "metadata": {}}  # fmt: skip
        self.client.upsert(f"{name}_key", [row])
        self.client.create_alias(f"{name}_key", name)
        self.spoken = name

    def switch(self, which: int) -> None:
        names = self.names(which)
        self.client.alter_alias(names.rows[0], names.public[0])

    def load(self, model: TextModel) -> StandIn:
        return StandIn(model, self.models.index(model))

    def drop(self) -> None:
        if self.spoken:
            self.client.drop_alias(self.spoken)
            self.client.drop_collection(f"{self.spoken}_key")
        if self.made:
            self.client.drop_alias(self.made[0].public[0])
        for names in self.made:
            if self.client.has_collection(names.rows[0]):
                self.client.drop_collection(names.rows[0])


def _copy(minilm: str, folder: Path, name: str) -> Path:
    folder.mkdir()
    for path in (Path(minilm) / each for each in SMALL_FILES):
        if path.is_dir():
            shutil.copytree(path, folder / path.name)
        elif path.exists():
            shutil.copy(path, folder)
    (folder / "name.json").write_text(f'"{name}"')
    return folder
