"""The last stage, for Ray Data: it writes tables of embedded objects as rows and ledger entries.

It is an actor and not a `Datasink`, because Ray ends idle processes as soon as there are more of them than CPUs: each
write task would start another one, which takes 2.7 s of CPU time.
"""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from ingest.common.errors import ObjectError, UnreachableError
from ingest.common.failures import FAILURES
from ingest.common.owner_values import OWNER, row_metadata
from ingest.ledger.diff import Change
from ingest.ledger.outcomes import ObjectOutcomes
from ingest.ledger.parts import ObjectPart, Target
from ingest.ledger.writer import ObjectWriter
from ingest.milvus.client import TIMEOUT, connect, errors_as_sentences
from ingest.milvus.partition_key import partition
from ingest.stages.blocks import TASK_RETRIES
from ingest.stages.placement import FirstActorPlaced
from ingest.stages.progress import ProgressReporter
from ingest.stages.requests import Resources

if TYPE_CHECKING:
    from pymilvus import MilvusClient
    from ray.data import Dataset

RETRY_SECONDS = 60.0
"""How long a table is written again whose writing failed for a reason that may pass: hours of a run wait behind it."""

OUTCOME = "outcome"
"""The column of the stage's tables: a pickled ObjectOutcomes for each table that was written."""


@lru_cache(maxsize=1)
def client_of(uri: str) -> MilvusClient:
    """The connection of this process."""
    return connect(uri, retry_seconds=TIMEOUT)


def object_parts(table: pa.Table, partition_key: str = "") -> Iterator[ObjectPart]:
    """The rows of a table of `blocks.WRITABLE_SCHEMA`, as parts for the writer.

    Args:
        partition_key: as in `Target`.
    """
    vectors = table["vectors"].combine_chunks()
    for row, row_vectors in zip(table.drop_columns(["vectors"]).to_pylist(), vectors, strict=True):
        failure = None
        if row["error_type"]:
            failure = ObjectError(FAILURES[row["error_type"]], row["problem"], row["limit"])
        metadata = json.loads(row["metadata"])
        rows = [json.loads(fields) for fields in row["fields"]]
        of_object = row_metadata(row["source"], metadata)
        for fields in rows:
            fields["metadata"] |= of_object
            fields |= partition(of_object.get(OWNER, {}), partition_key)
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
            metadata=metadata,
            failure=failure,
        )


class WriteObjects:
    """The actor that writes objects and their ledger rows in the order of `ingest.ledger.writer`.

    A table that it is given again, because its process died, or that it writes again, because Milvus failed for a
    moment, repeats upserts of the same ids.

    Args:
        uri: of the Milvus server; its token comes from MILVUS_TOKEN in the workers' environment.
        target: the collections, and the values that are written along with the rows.
        observe: called after each table with the numbers of rows and objects.
    """

    def __init__(self, uri: str, target: Target, observe: ProgressReporter) -> None:
        self._uri = uri
        self._target = target
        self._observe = observe

    def __call__(self, table: pa.Table) -> pa.Table:
        """Write a table.

        Raises:
            UnreachableError, ConfigurationError, JobError: Milvus failed. The ledger claims no unwritten object.
        """
        started = time.perf_counter()
        parts = list(object_parts(table, self._target.partition_key))
        for attempt in Retrying(
            retry=retry_if_exception_type(UnreachableError),
            stop=stop_after_delay(RETRY_SECONDS),
            wait=wait_exponential(0.5, max=10),
            reraise=True,
        ):
            with attempt, errors_as_sentences(self._uri):
                written = ObjectWriter(client_of(self._uri), self._target).write(parts)
        self._observe("write", written.rows_written, time.perf_counter() - started)
        self._observe.objects(written.ok, written.failed)
        return pa.table({OUTCOME: [pickle.dumps(written)]})


def write_objects(
    dataset: Dataset,
    uri: str,
    target: Target,
    resources: Resources,
    observe: ProgressReporter,
    done: Callable[[ObjectOutcomes], None],
    parts: int,
) -> None:
    """Process a dataset to its end, and write its tables of `blocks.WRITABLE_SCHEMA`.

    Args:
        done: called with the outcomes of each table that was written.
        parts: rows of a table that are written together where models have GPUs. Otherwise a table is a block, which
            took seconds to embed. A write of 60 chunks and one of 1,000 both take half a second, most of it waiting.
    """
    from ray.data import ActorPoolStrategy

    tables = dataset.map_batches(
        WriteObjects,
        batch_size=parts if any(pool.gpus for pool in resources.pools.values()) else None,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(min_size=1, max_size=resources.writers, initial_size=1),
        fn_constructor_kwargs={"uri": uri, "target": target, "observe": observe},
        num_cpus=resources.each_writer_cpus,
        max_task_retries=TASK_RETRIES,
        ray_remote_args_fn=FirstActorPlaced(resources.write_place) if resources.write_place else None,
    )
    # Nothing is fetched ahead: Ray Data would compare it with the last outcomes, a few bytes each, and hold the writers
    # back as long as other stages are at work.
    for table in tables.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        for pickled in table[OUTCOME].to_pylist():
            done(pickle.loads(pickled))
