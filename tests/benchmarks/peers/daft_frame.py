"""Daft with its local runner, as its guides teach it: a data frame of files, and classes with the models."""

from importlib import import_module
from itertools import islice

import daft
import numpy as np
from daft import DataType, Series
from daft.functions import decode_image, download
from daft.io import IOConfig, S3Config
from job import BATCH, ROWS_PER_UPSERT, Job, Sink, row, store


@daft.cls
class Read:
    """The chunks of text of a file."""

    def __init__(self, job: Job) -> None:
        self._read = import_module(f"work_{job.kind}").Reader(job)

    @daft.method(return_dtype=DataType.list(DataType.string()))
    def chunks(self, data: bytes) -> list[str]:
        return self._read(data)


@daft.cls
class Embed:
    """The vectors of a batch of items."""

    def __init__(self, job: Job) -> None:
        self._embed = import_module(f"work_{job.kind}").Model(job)

    @daft.method.batch(return_dtype=DataType.embedding(DataType.float32(), 384), batch_size=BATCH)
    def vectors(self, items: Series) -> Series:
        found = self._embed(items.to_pylist())
        return Series.from_pylist(list(np.asarray(found, np.float32)))


def main() -> None:
    job = Job.from_command_line()
    work = import_module(f"work_{job.kind}")
    s3 = S3Config(endpoint_url=store().meta.endpoint_url, region_name=store().meta.region_name, use_ssl=False)
    access = IOConfig(s3=s3)
    files = daft.from_glob_path(f"s3://{job.bucket}/{job.prefix}*", io_config=access)
    data = download(files["path"], io_config=access)
    if job.kind == "images":
        items = files.select(files["path"], decode_image(data, mode="RGB").alias("item"))
    else:
        items = files.select(files["path"], Read(job).chunks(data).alias("item")).explode("item")
        items = items.where(items["item"].not_null())
    found = items.with_column("vector", Embed(job).vectors(items["item"])).iter_rows()
    sink = Sink(job, work.DIMENSION)
    ordinal = 0
    while some := list(islice(found, ROWS_PER_UPSERT)):
        sink.upsert([row(one["path"], ordinal + n, one["item"], one["vector"]) for n, one in enumerate(some)])
        ordinal += len(some)
    sink.flush()


if __name__ == "__main__":
    main()
