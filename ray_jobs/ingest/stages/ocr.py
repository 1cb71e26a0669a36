"""OCR as a stage of its own: actors with its models, for which `--resources` requests GPUs, CPUs and nodes.

Parse tasks ask them for what stands on a page, wherever they run, and wait for the answer. Without such actors, each
parse task has the models itself.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from ingest.common.errors import JobError, ObjectError
from ingest.common.failures import Failure
from ingest.common.text import one_line
from ingest.pdf.ocr_models import RapidModels
from ingest.stages.lazy_model import LazyModel, unloadable
from ingest.stages.progress import Observe

if TYPE_CHECKING:
    import numpy as np
    from ray.exceptions import RayTaskError

    from ingest.stages.requests import ActorPool

OCR = "ocr"
"""The name of the stage."""

CALLS = 64
"""The most parse tasks that one actor serves at once; the others wait for it."""

MAX_DEATHS = 3
"""Actors that may die while they look at one image, until it is to blame for that."""


class ReadImages:
    """The actor with the models of OCR. Its methods may be called by several threads at once.

    Lines of several pages that wait for it at the same time are recognised together.
    """

    def __init__(self, threads: int, batch_size: int, device: str, observe: Observe) -> None:
        def load() -> RapidModels:
            models = RapidModels(device, threads, batch_size)
            models.load()
            return models

        self._models = LazyModel(load, observe, at_once=False)
        self._observe = observe
        self._computing, self._arriving = Lock(), Lock()
        self._waiting: list[_Lines] = []

    def load(self) -> None:
        """Load the models.

        Raises:
            JobError: they cannot be loaded.
        """
        with self._computing:
            self._models()

    def detect(self, image: np.ndarray) -> np.ndarray | None:
        """See `OcrModels`."""
        with self._computing:
            return self._models().detect(image)

    def upside_down(self, pieces: Sequence[np.ndarray]) -> list[bool]:
        """See `OcrModels`."""
        with self._computing:
            return self._models().upside_down(pieces)

    def recognise(self, pieces: Sequence[np.ndarray]) -> tuple[list[str], list[float]]:
        """See `OcrModels`."""
        lines = _Lines(pieces)
        with self._arriving:
            self._waiting.append(lines)
        with self._computing:
            if lines.found is None:
                with self._arriving:
                    together, self._waiting = self._waiting, []
                self._recognise(together)
        if isinstance(lines.found, Exception):
            raise lines.found
        assert lines.found is not None
        return lines.found

    def _recognise(self, together: Sequence[_Lines]) -> None:
        started = time.perf_counter()
        try:
            texts, scores = self._models().recognise([piece for lines in together for piece in lines.pieces])
        except Exception as error:
            if len(together) == 1:
                together[0].found = error
                return
            for lines in together:  # one of them is to blame
                self._recognise([lines])
            return
        first = 0
        for lines in together:
            last = first + len(lines.pieces)
            lines.found = texts[first:last], scores[first:last]
            first = last
        self._observe(OCR, len(texts), time.perf_counter() - started)


class _Lines:
    """Images of lines that wait to be recognised, and what was found: texts and scores, or an error."""

    def __init__(self, pieces: Sequence[np.ndarray]) -> None:
        self.pieces = pieces
        self.found: tuple[list[str], list[float]] | Exception | None = None


class OcrActors:
    """The actors, as parse tasks ask them. Thread-safe, and may be sent to other processes.

    An actor that dies starts again by itself; meanwhile, the others answer.
    """

    def __init__(self, actors: Sequence[Any]) -> None:
        self._actors = tuple(actors)
        self._loading: dict[Any, Any] = {}
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[OcrActors], tuple[Sequence[Any]]]:
        return OcrActors, (self._actors,)

    def __call__(self, method: str, *arguments: Any) -> Any:
        """What a method of an actor returns, or the exception that it raises.

        Raises:
            JobError: its models cannot be loaded.
            ObjectError: the actors die of this image.
        """
        import ray

        for _ in range(MAX_DEATHS):
            actor = self._loaded()
            try:
                return ray.get(getattr(actor, method).remote(*arguments))
            except ray.exceptions.RayActorError:
                # Its node may be lost, and other actors with it; the image is not to blame for that.
                with self._lock:
                    self._loading.clear()
            except ray.exceptions.RayTaskError as error:
                return _answer_of(error)
        raise ObjectError(Failure.CRASHED, f"a page crashed the process that reads it by OCR {MAX_DEATHS} times")

    def _loaded(self) -> Any:
        """An actor whose models are loaded."""
        import ray

        while True:
            with self._lock:
                for actor in self._actors:
                    if actor not in self._loading:
                        self._loading[actor] = actor.load.remote()
                loading = {reference: actor for actor, reference in self._loading.items()}
            ray.wait(list(loading), num_returns=1)
            ready, _ = ray.wait(list(loading), num_returns=len(loading), timeout=0)
            reference = random.choice(ready)
            try:
                ray.get(reference)
                return loading[reference]
            except ray.exceptions.RayActorError:
                with self._lock:
                    self._loading.pop(loading[reference], None)
            except ray.exceptions.RayTaskError as error:
                raise unloadable(one_line(_answer_of(error))) from None


def _answer_of(error: RayTaskError) -> Exception:
    """The exception that a method raised, which the child process of a sandbox can receive.

    Raises:
        JobError: it is one.
    """
    if isinstance(error.cause, JobError):
        raise error.cause from None
    return MemoryError() if isinstance(error.cause, MemoryError) else RuntimeError(one_line(error.cause))


@contextmanager
def ocr_actors(pool: ActorPool | None, observe: Observe) -> Iterator[OcrActors | None]:
    """The actors of a pool, until the block ends; none without a pool."""
    if pool is None:
        yield None
        return
    import ray

    def start(**place: Any) -> Any:
        actor = ray.remote(ReadImages).options(**pool.arguments(), **place, max_concurrency=CALLS, max_restarts=-1)
        return actor.remote(pool.threads, pool.batch_size, pool.device, observe)

    places = [pool.place.arguments() if pool.place else {}] + [{}] * (pool.first - 1)
    actors = [start(**place) for place in places]
    try:
        yield OcrActors(actors)
    finally:
        for actor in actors:
            ray.kill(actor)
