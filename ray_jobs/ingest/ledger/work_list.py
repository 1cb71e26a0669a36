"""The work list of a run: the diff writes it to disk, so that no prefix is too large for the driver's memory."""

from __future__ import annotations

import math
import os
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from typing import IO, Self

import pyarrow as pa

from ingest.ledger.diff import Difference

DIFFERENCE_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("version", pa.string()),
        ("size", pa.int64()),
        ("attempts", pa.int32()),
        ("change", pa.string()),
    ]
)

WORK_SCHEMA = pa.schema(
    [*DIFFERENCE_SCHEMA, ("modified", pa.float64()), ("sidecar", pa.string()), ("sidecar_size", pa.int64())]
)
"""The objects of a work list: what the listing says beside the difference is of use where they are read."""

FIRST_BLOCK = 64
LAST_BLOCK = 256
BLOCKS_PER_SIZE = 64
"""Objects per block: 64 at first, which small objects fill. With 16, Ray ended the processes of parse tasks that waited
for a second while models held all CPUs, and began others: 1,500 PDFs of a page took 70.4 and not 62.8 s. The size
doubles every 64 blocks up to 256, so that many objects do not become too many blocks for Ray Data's scheduler."""

BLOCK_BYTES = 4 << 20
"""Bytes of objects after which a block ends, so that a few large objects spread over the workers too. It doubles every
64 blocks without end."""

PAUSE_SECONDS = 60.0
"""The longest pause: whoever was to end it may have to wait, too."""


class WorkList:
    """A list of differences in a file, which one thread adds to while another takes them as Arrow tables.

    Args:
        block_bytes: as BLOCK_BYTES.

    Attributes:
        count: the number of objects.
        bytes: their sizes together.
        pause_at: the number of objects with which `add` waits once, until somebody calls `go_on`.
    """

    def __init__(self, file: IO[bytes], block_bytes: int = BLOCK_BYTES) -> None:
        self._file = file
        self._block_bytes = block_bytes
        self._pending: list[Difference] = []
        self._pending_bytes = 0
        self._ends: list[int] = []  # of the blocks in the file
        self._taken = 0
        self._taken_objects = 0
        self._again: deque[pa.Table] = deque()
        self._rest: deque[pa.Table] = deque()  # of a block of which a part was taken; one at most
        self._changed = Condition()
        self._complete = False
        self._failure: BaseException | None = None
        self._going_on = False
        self.count = 0
        self.bytes = 0
        self.pause_at = math.inf

    @classmethod
    @contextmanager
    def temporary(cls, block_bytes: int = BLOCK_BYTES) -> Iterator[Self]:
        """A new work list, whose file is removed at the end of the block."""
        with tempfile.TemporaryFile(prefix="ingest-diff-") as file:
            yield cls(file, block_bytes)

    def add(self, difference: Difference) -> None:
        """Add an object; not after the end."""
        if self.count >= self.pause_at:
            self._pause()
        self._pending.append(difference)
        self._pending_bytes += difference.size
        self.count += 1
        self.bytes += difference.size
        doublings = len(self._ends) // BLOCKS_PER_SIZE
        if self._pending_bytes >= self._block_bytes << doublings or len(self._pending) >= min(
            LAST_BLOCK, FIRST_BLOCK << doublings
        ):
            self._flush()

    def go_on(self) -> None:
        """End the pause, or let there be none."""
        with self._changed:
            self._going_on = True
            self._changed.notify_all()

    def _pause(self) -> None:
        if self._pending:
            self._flush()
        with self._changed:
            self._changed.notify_all()  # whoever waits for so many objects
            self._changed.wait_for(lambda: self._going_on or self._complete, PAUSE_SECONDS)
        self.pause_at = math.inf

    def end(self, failure: BaseException | None = None) -> None:
        """Note that nothing is added any more, because of a failure or not. The first end counts."""
        if self._complete:
            return
        if self._pending:
            self._flush()
        with self._changed:
            self._complete, self._failure = True, failure
            self._changed.notify_all()

    @property
    def complete(self) -> bool:
        """Whether nothing is added any more."""
        return self._complete

    @property
    def exhausted(self) -> bool:
        """Whether everything was taken and nothing is added any more."""
        with self._changed:
            return self._complete and not self._has_block

    @property
    def left(self) -> int:
        """The number of blocks that can be taken by now."""
        with self._changed:
            return len(self._again) + len(self._rest) + len(self._ends) - self._taken

    def wait_for(self, count: float) -> None:
        """Wait until the list has about so many objects or is complete."""
        with self._changed:
            self._changed.wait_for(lambda: self._complete or self.count >= count)

    def wait_for_block(self, seconds: float) -> bool:
        """Wait until a block can be taken; False if none came in time, or none comes any more.

        Raises:
            BaseException: the failure that ended the list.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._complete or self._has_block, seconds)
            if self._failure is not None:
                raise self._failure
            return self._has_block

    @property
    def _has_block(self) -> bool:
        return bool(self._again or self._rest) or self._taken < len(self._ends)

    def take(self, parts: int = 1) -> pa.Table:
        """The next block. Once the list is complete, it is at most one of so many equal `parts` of what is left.

        With twice as many parts as workers, the last blocks are small, and all workers end at about the same time: one
        of them would otherwise read sixteen scans while the others have nothing to do (guided self-scheduling,
        Polychronopoulos and Kuck, IEEE Transactions on Computers 1987).
        """
        queue = self._again or self._rest
        if queue:
            block = queue.popleft()
        else:
            block = self._block(self._taken)
            self._taken += 1
        if self._complete:
            most = math.ceil((self.count - self._taken_objects) / parts)
            if most < block.num_rows:
                queue.appendleft(block.slice(most))
                block = block.slice(0, most)
        self._taken_objects += block.num_rows
        return block

    def put_back(self, block: pa.Table) -> None:
        """Let objects that were taken be taken again, before all others."""
        self._again.append(block)
        self._taken_objects -= block.num_rows

    def blocks(self) -> Iterator[pa.Table]:
        """Read a whole list back; nothing can be added afterwards."""
        if not self._complete:
            self.end()
        for number in range(len(self._ends)):
            yield self._block(number)

    def sources(self) -> Iterator[str]:
        """Read the sources back, as `blocks` does."""
        for block in self.blocks():
            yield from block["source"].to_pylist()

    def _flush(self) -> None:
        columns = {name: [getattr(entry, name) for entry in self._pending] for name in WORK_SCHEMA.names}
        begin = self._ends[-1] if self._ends else 0
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, WORK_SCHEMA) as writer:
            writer.write_table(pa.Table.from_pydict(columns, WORK_SCHEMA))
        self._file.write(sink.getvalue())
        self._file.flush()
        self._pending, self._pending_bytes = [], 0
        with self._changed:
            self._ends.append(begin + len(sink.getvalue()))
            self._changed.notify_all()

    def _block(self, number: int) -> pa.Table:
        begin, end = self._ends[number - 1] if number else 0, self._ends[number]
        return pa.ipc.open_stream(os.pread(self._file.fileno(), end - begin, begin)).read_all()
