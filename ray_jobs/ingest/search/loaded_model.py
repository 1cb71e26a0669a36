"""A model in memory that embeds questions and images, for any number of threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Lock

import numpy as np

from ingest.common.errors import ConfigurationError
from ingest.common.text import as_typed, one_line
from ingest.common.waiting import announce_wait
from ingest.models.clip_model import ClipModel, check_weights
from ingest.models.text_model import TextModel


class LoadedModel:
    """A text model or a CLIP model. Its constructor loads it: seconds, or minutes for a download.

    Args:
        model: what is loaded.
        say: prints a line about the wait.
        threads: CPU threads that it may use; 0 for those of this machine.
        device: `cuda` or `cpu`.
        warm: embed a text at once, so that no question waits for what is only loaded then.

    Raises:
        ConfigurationError: it cannot be loaded.
    """

    def __init__(
        self,
        model: TextModel | ClipModel,
        say: Callable[[str], None],
        threads: int = 0,
        device: str = "cpu",
        warm: bool = False,
    ) -> None:
        self.model = model
        self._texts: Callable[[str], np.ndarray]
        self._at_work = Lock()  # a model of OpenVINO has one place for its inputs
        threads = threads or os.cpu_count() or 1
        if isinstance(model, ClipModel):
            check_weights(model)
        try:
            with announce_wait(f"loading the model {model.label}", say):
                if isinstance(model, TextModel):
                    from ingest.models.text_encoder import TextEncoder  # takes seconds: after all checks

                    self._texts = TextEncoder(model.name, model.dimension, threads=threads, device=device).encode_query
                else:
                    from ingest.models.clip_encoder import ClipEncoder

                    clip = ClipEncoder(model.name, model.pretrained, model.dimension, threads=threads, device=device)
                    self._texts, self._images = clip.encode_text, clip.encode_images
                if warm:
                    self._texts("a question")
        except Exception as error:  # the model's library may raise anything
            raise ConfigurationError(f"the model {model.label} cannot be loaded ({one_line(error, 200)})") from None

    def embed_question(self, question: str) -> np.ndarray:
        """Embed a question.

        Returns:
            A unit vector: a float32 array of shape (dimension,).
        """
        with self._at_work:
            return self._texts(as_typed(question))

    def embed_image(self, pixels: np.ndarray) -> np.ndarray:
        """Embed the squares of one image with a CLIP model: uint8 RGB of shape (squares, size, size, 3).

        Returns:
            A unit vector: a float32 array of shape (dimension,).
        """
        from ingest.models.clip_encoder import pooled

        with self._at_work:
            vectors = self._images(pixels)
        return pooled(vectors, np.array([len(pixels)]))[0]
