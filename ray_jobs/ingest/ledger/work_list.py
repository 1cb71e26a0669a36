"""The work list of a run: the diff writes it to disk, so that no prefix is too large for the driver's memory."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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

FIRST_BLOCK = 16
LAST_BLOCK = 256
BLOCKS_PER_SIZE = 64
"""Objects per block: 16 at first, so that few objects still spread over many workers. The size doubles every 64 blocks
up to 256, so that many objects do not become too many blocks for Ray Data's scheduler."""

BLOCK_BYTES = 4 << 20
"""Bytes of objects after which a block ends, so that a few large objects spread over the workers too. It doubles every
64 blocks without end."""


class WorkList:
    """An append-only list of differences in a file, which is read back as Arrow tables of `DIFFERENCE_SCHEMA`.

    Attributes:
        count: the number of objects.
        bytes: their sizes together.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._writer = pa.ipc.new_stream(file, DIFFERENCE_SCHEMA)
        self._pending: list[Difference] = []
        self._pending_bytes = 0
        self._blocks = 0
        self.count = 0
        self.bytes = 0

    @classmethod
    @contextmanager
    def temporary(cls) -> Iterator[Self]:
        """A new work list, whose file is removed at the end of the block."""
        with tempfile.TemporaryFile(prefix="ingest-diff-") as file:
            yield cls(file)

    def add(self, difference: Difference) -> None:
        self._pending.append(difference)
        self._pending_bytes += difference.size
        self.count += 1
        self.bytes += difference.size
        doublings = self._blocks // BLOCKS_PER_SIZE
        if self._pending_bytes >= BLOCK_BYTES << doublings or len(self._pending) >= min(
            LAST_BLOCK, FIRST_BLOCK << doublings
        ):
            self._flush()

    def _flush(self) -> None:
        columns = {name: [getattr(entry, name) for entry in self._pending] for name in DIFFERENCE_SCHEMA.names}
        self._writer.write_table(pa.Table.from_pydict(columns, DIFFERENCE_SCHEMA))
        self._pending = []
        self._pending_bytes = 0
        self._blocks += 1

    def blocks(self) -> Iterator[pa.Table]:
        """Read everything back; nothing can be added afterwards. The tables are views of the file, not copies."""
        if self._pending:
            self._flush()
        self._writer.close()
        self._file.flush()
        mapped = pa.py_buffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ))
        for batch in pa.ipc.open_stream(mapped):
            yield pa.Table.from_batches([batch])

    def sources(self) -> Iterator[str]:
        """Read the sources back, as `blocks` does."""
        for block in self.blocks():
            yield from block["source"].to_pylist()
