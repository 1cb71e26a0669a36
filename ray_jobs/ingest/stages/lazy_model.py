"""A model that an actor loads at its start, or only when there is work that a cache does not spare."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ingest.common.errors import JobError
from ingest.common.text import one_line
from ingest.stages.progress import Observe

T = TypeVar("T")


def unloadable(reason: str) -> JobError:
    """The error for a model that cannot be loaded."""
    return JobError(f"a stage could not load its model ({reason}); check the model's name or folder, and the node")


class LazyModel(Generic[T]):
    """Calling it returns the model.

    Args:
        load: loads the model.
        observe: hears of the loading.
        at_once: load it now, so that Ray waits for the actor; an error is then raised as it is.
    """

    def __init__(self, load: Callable[[], T], observe: Observe, at_once: bool) -> None:
        self._load = load
        self._observe = observe
        self._model: T | None = self._loaded() if at_once else None

    def __call__(self) -> T:
        """The model, loaded if it is not yet.

        Raises:
            JobError: it cannot be loaded. No object is to blame for that.
        """
        if self._model is None:
            try:
                self._model = self._loaded()
            except JobError:
                raise
            except Exception as error:  # whatever the model's library raises
                raise unloadable(one_line(error)) from error
        return self._model

    def _loaded(self) -> T:
        started = time.perf_counter()
        model = self._load()
        self._observe("load", 1, time.perf_counter() - started)
        return model
