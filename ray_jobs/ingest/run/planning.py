"""Plan a run in a thread, so that the processing of a large prefix begins while it is still being listed."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from types import TracebackType
from typing import Self

from ingest.ledger.work_list import WorkList

EARLY_OBJECTS = 5000
"""Objects to process with which the processing begins although the listing goes on. They are worth loading more actors
than a cluster has; a store lists them within seconds, so that smaller runs know all of their work at the start."""


class Planning:
    """Runs `plan`, which fills `work`, in a thread during a `with` block.

    If the block ends before the plan, because the processing has failed, the plan is given up at its next object.
    """

    def __init__(self, plan: Callable[[], None], work: WorkList) -> None:
        self._plan = plan
        self._work = work
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._run, name="planning", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._work.end()

    def wait_for(self, objects: float) -> bool:
        """Wait until the plan is complete or has so many objects to process; returns whether it is complete.

        Raises:
            BaseException: whatever the plan raised.
        """
        self._work.wait_for(objects)
        if self._work.complete:
            self._thread.join()
            if self._failure is not None:
                raise self._failure
        return self._work.complete

    def _run(self) -> None:
        try:
            self._plan()
        except BaseException as error:  # the thread that waits raises it
            self._failure = error
        self._work.end(self._failure)
