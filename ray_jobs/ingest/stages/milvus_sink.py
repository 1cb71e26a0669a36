"""The Ray Data sink for Milvus: it writes tables of embedded objects as rows and ledger entries."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from ray.data import Datasink
from ray.data.block import Block, BlockAccessor
from ray.data.datasource.datasink import WriteResult

from ingest.common.errors import ObjectError
from ingest.common.failures import FAILURES
from ingest.ledger.diff import Change
from ingest.ledger.outcomes import ObjectOutcomes
from ingest.ledger.parts import ObjectPart, Target
from ingest.ledger.writer import ObjectWriter
from ingest.milvus.client import TIMEOUT, connect, errors_as_sentences
from ingest.stages.progress import ProgressReporter

if TYPE_CHECKING:
    from pymilvus import MilvusClient
    from ray.data._internal.execution.interfaces import TaskContext


@lru_cache(maxsize=1)
def client_of(uri: str) -> MilvusClient:
    """The connection of this process: write tasks are short, and a process runs several, one after the other."""
    return connect(uri, retry_seconds=TIMEOUT)


def object_parts(table: pa.Table) -> Iterator[ObjectPart]:
    """The rows of a table of `blocks.WRITABLE_SCHEMA`, as parts for the writer."""
    vectors = table["vectors"].combine_chunks()
    for row, row_vectors in zip(table.drop_columns(["vectors"]).to_pylist(), vectors, strict=True):
        failure = None
        if row["error_type"]:
            failure = ObjectError(FAILURES[row["error_type"]], row["problem"], row["limit"])
        rows = [json.loads(fields) for fields in row["fields"]]
        for fields, text in zip(rows, row["texts"], strict=False):  # a collection without texts has none
            fields["text"] = text
        matrix = row_vectors.values.to_numpy(zero_copy_only=False)
        yield ObjectPart(
            source=row["source"],
            version=row["version"],
            size=row["size"],
            attempts=row["attempts"],
            change=Change(row["change"]),
            collection=row["collection"],
            first=row["first"],
            totals=tuple(row["totals"]),
            rows=rows,
            vectors=matrix.reshape(len(rows), -1) if rows else np.empty((0, 0), np.float32),
            metadata=json.loads(row["metadata"]),
            failure=failure,
        )


class MilvusDatasink(Datasink[ObjectOutcomes]):
    """Writes objects and their ledger rows in the order of `ingest.ledger.writer`.

    A write task that Ray retries repeats upserts of the same ids. After the write, `outcome` holds the sums.

    Args:
        uri: of the Milvus server; its token comes from MILVUS_TOKEN in the workers' environment.
        target: the collections, and the values that are written along with the rows.
        observe: called after each block with the numbers of rows and objects.
    """

    def __init__(self, uri: str, target: Target, observe: ProgressReporter) -> None:
        self._uri = uri
        self._target = target
        self._observe = observe
        self.outcome = ObjectOutcomes()

    def write(self, blocks: Iterable[Block], ctx: TaskContext) -> ObjectOutcomes:
        """Write the blocks of one task.

        Raises:
            UnreachableError, ConfigurationError, JobError: Milvus failed. The ledger claims no unwritten object.
        """
        outcome = ObjectOutcomes()
        with errors_as_sentences(self._uri):
            writer = ObjectWriter(client_of(self._uri), self._target)
            for block in blocks:
                started = time.perf_counter()
                written = writer.write(list(object_parts(BlockAccessor.for_block(block).to_arrow())))
                self._observe("write", written.rows_written, time.perf_counter() - started)
                self._observe.objects(written.ok, written.failed)
                outcome.add(written)
        return outcome

    def on_write_complete(self, write_result: WriteResult[ObjectOutcomes]) -> None:
        for outcome in write_result.write_returns:
            self.outcome.add(outcome)

    def get_name(self) -> str:
        return "Milvus"

    @property
    def supports_distributed_writes(self) -> bool:
        return True

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "outcome": ObjectOutcomes()}
