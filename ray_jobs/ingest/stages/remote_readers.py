"""Readers of page ranges on the other nodes of the cluster: see `shared_ranges`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from ingest.common.errors import JobError, ObjectError
from ingest.common.limits import Limits
from ingest.common.sandbox import Sandbox
from ingest.common.slots import take_slot
from ingest.pdf.document import DocumentSettings
from ingest.pdf.page_ranges import PageRange
from ingest.pdf.shared_document import prepare_reader, read_pages
from ingest.stages.shared_ranges import SLOT, Read, Reader
from ingest.store.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from ray import ObjectRef


class RemoteReaders:
    """Readers of a document on other nodes, of which each has the number of `slots` that its id has there.

    Their sandboxes have this `answer`.

    Every range is a task of Ray without CPUs. It takes a slot of its node, and none waits: a reader that finds none, or
    whose node or process is gone, leaves its range to the others.
    """

    def __init__(
        self,
        content: bytes,
        settings: DocumentSettings,
        limits: Limits,
        slots: Mapping[str, int],
        answer: Callable[..., Any] | None = None,
    ) -> None:
        self._content, self._settings, self._limits, self._answer = content, settings, limits, answer
        self._stored: ObjectRef[Any] | None = None
        self._lock = Lock()
        self._slots, self._used = slots, Counter[str]()

    def __call__(self, wanted: int) -> Iterator[Reader[PageRange]]:
        for _ in range(wanted):
            with self._lock:
                free = {node: count - self._used[node] for node, count in self._slots.items()}
                node = max(free, key=lambda node: free[node], default="")
                if free.get(node, 0) < 1:
                    return
                self._used[node] += 1
            yield self._reader(node)

    @contextmanager
    def _reader(self, node: str) -> Iterator[Read[PageRange]]:
        try:
            yield partial(self._read, node)
        finally:
            with self._lock:
                self._used[node] -= 1

    def _read(self, node: str, pages: PageRange) -> tuple[int, bytes]:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        with self._lock:
            if self._stored is None:
                self._stored = ray.put(self._content)
        task = ray.remote(_read_here).options(
            num_cpus=0, max_retries=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
        )
        try:
            found = ray.get(
                task.remote(self._stored, pages, self._settings, self._limits, self._slots[node], self._answer)
            )
        except ray.exceptions.RayError as error:
            raise JobError("a reader on another node is gone") from error
        if found is None:
            raise JobError("the other node has no slot")
        if isinstance(found, ObjectError):
            raise found
        return found


@lru_cache(maxsize=1)
def _sandbox(limits: Limits) -> Sandbox:
    """One child for each of Ray's processes, kept from task to task."""
    return Sandbox(prepare_reader, limits)


def _read_here(
    content: bytes,
    pages: PageRange,
    settings: DocumentSettings,
    limits: Limits,
    slots: int,
    answer: Callable[..., Any] | None,
) -> tuple[int, bytes] | ObjectError | None:
    """Read a range on this node: the pages, the failure of the document, or None if there is no slot."""
    slot = take_slot(SLOT, slots)
    if slot is None:
        return None
    with slot, temporary_folder() as folder:
        path = folder / "document.pdf"
        path.write_bytes(content)
        sandbox = _sandbox(limits)
        sandbox.answer = answer
        try:
            return sandbox.run(read_pages, str(path), pages, settings)
        except ObjectError as error:
            return error
