"""Rerank passages with a cross-encoder, a model that reads a question and a passage together and scores the pair."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from ingest.common.errors import ConfigurationError
from ingest.common.text import one_line
from ingest.common.waiting import announce_wait
from ingest.models.model_files import find_folder

PAIRS_PER_PASS = 16


def find_cross_encoder(name: str, flag: str) -> str:
    """The hub name, or the absolute path, of a cross-encoder.

    Args:
        name: a hub name or a folder.
        flag: the flag that gives the name.

    Raises:
        ConfigurationError: the model does not exist, or it is none that gives one score to a pair of texts.
    """
    folder, is_local = find_folder(name, flag, str, ["*.json"])
    try:
        settings = _settings(folder / "config.json")
        described = _settings(folder / "config_sentence_transformers.json")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{flag} {name!r} is no usable model ({type(error).__name__}: {one_line(error, 160)}); it needs config.json"
        ) from None
    kinds = [str(kind) for kind in settings.get("architectures") or ()]
    # Without a head of its own, sentence-transformers would give the model one of random weights.
    if not any(kind.endswith("ForSequenceClassification") for kind in kinds) and (
        described.get("model_type") != "CrossEncoder"
    ):
        raise ConfigurationError(
            f"{flag} {name!r} is no cross-encoder, but {', '.join(kinds) or 'a model of an unknown kind'}; "
            "name one, such as BAAI/bge-reranker-v2-m3"
        )
    if (labels := len(settings.get("id2label") or (0,))) != 1:
        raise ConfigurationError(
            f"{flag} {name!r} gives a pair {labels} scores and not one; name a cross-encoder for search, such as "
            "BAAI/bge-reranker-v2-m3"
        )
    return str(folder) if is_local else name


class CrossEncoder:
    """A loaded cross-encoder. Its constructor loads it: seconds, or minutes for a download.

    Args:
        name: what `find_cross_encoder` has returned.
        say: prints a line about the wait.
        threads: CPU threads that it may use; 0 for those of this machine.
        device: `cuda` or `cpu`.

    Raises:
        ConfigurationError: it cannot be loaded.
    """

    def __init__(self, name: str, say: Callable[[str], None], threads: int = 0, device: str = "cpu") -> None:
        self._at_work = Lock()  # a tokenizer is lent to one thread at a time
        try:
            with announce_wait(f"loading the model {name}", say):
                import torch
                from sentence_transformers import CrossEncoder
                from transformers.utils.logging import disable_progress_bar

                disable_progress_bar()
                torch.set_num_threads(threads or os.cpu_count() or 1)
                self._as_it_is = torch.nn.Identity()
                self._model: Any = CrossEncoder(name, device=device)
        except Exception as error:  # the model's library may raise anything
            raise ConfigurationError(f"the model {name} cannot be loaded ({one_line(error, 200)})") from None

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the question; comparable among the texts of one call, higher is better."""
        if not texts:
            return []
        # The usual sigmoid makes 1.0 of all high scores, so that they would stand in the order in which they came.
        with self._at_work:
            scores = self._model.predict(
                [(question, text) for text in texts],
                batch_size=PAIRS_PER_PASS,
                activation_fn=self._as_it_is,
                show_progress_bar=False,
            )
        return [float(score) for score in scores]


def _settings(path: Path) -> dict[str, Any]:
    if not path.exists() and path.name != "config.json":
        return {}
    settings = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(settings, dict):
        raise ValueError(f"{path.name} is no JSON object")
    return settings
