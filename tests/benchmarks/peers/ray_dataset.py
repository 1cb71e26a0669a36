"""Ray Data as its guides teach it: read_binary_files, flat_map, map_batches with a class, all at their defaults."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow.fs
import ray
from job import BATCH, ROWS_PER_UPSERT, Job, Sink, row, store


class Read:
    """The items of a file, a row each."""

    def __init__(self, job: Job) -> None:
        self._read = import_module(f"work_{job.kind}").Reader(job)

    def __call__(self, file: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for ordinal, item in enumerate(self._read(file["bytes"])):
            yield {"source": file["path"], "ordinal": ordinal, "item": item}


class Embed:
    """The vectors of a batch of items."""

    def __init__(self, job: Job) -> None:
        self._embed = import_module(f"work_{job.kind}").Model(job)
        self._keep = job.kind != "images"

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        items = list(batch.pop("item"))
        texts = items if self._keep else [""] * len(items)
        return {**batch, "item": np.asarray(texts, object), "vector": self._embed(items)}


def main() -> None:
    job = Job.from_command_line()
    work = import_module(f"work_{job.kind}")
    ray.init(log_to_driver=False)
    address = store().meta.endpoint_url.removeprefix("http://")
    filesystem = pyarrow.fs.S3FileSystem(endpoint_override=address, scheme="http")
    files = ray.data.read_binary_files(f"{job.bucket}/{job.prefix}", filesystem=filesystem, include_paths=True)
    if work.READER_HAS_MODEL:
        # Two models, and a core for reading: on two cores, less than a core each.
        items = files.flat_map(Read, fn_constructor_args=[job], num_cpus=0.5)
        rows = items.map_batches(Embed, fn_constructor_args=[job], batch_size=BATCH, num_cpus=0.5)
    else:
        items = files.flat_map(ReadInTask(job))
        rows = items.map_batches(Embed, fn_constructor_args=[job], batch_size=BATCH)
    sink = Sink(job, work.DIMENSION)
    for batch in rows.iter_batches(batch_size=ROWS_PER_UPSERT):
        columns = (batch[name] for name in ("source", "ordinal", "item", "vector"))
        sink.upsert([row(*one) for one in zip(*columns, strict=True)])
    sink.flush()


class ReadInTask:
    """`Read` as a function, which Ray Data runs in tasks."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._read: Read | None = None

    def __call__(self, file: dict[str, Any]) -> Iterator[dict[str, Any]]:
        self._read = self._read or Read(self._job)
        return self._read(file)


if __name__ == "__main__":
    main()
