"""A pool of processes, each with its models on one core and a file at a time; the parent writes what they find."""

import multiprocessing
from importlib import import_module
from typing import Any

import torch
from job import Job, Sink, row

_job: Job
_read: Any
_embed: Any


def load(job: Job) -> None:
    """Load the models of a process."""
    global _job, _read, _embed
    torch.set_num_threads(1)
    work = import_module(f"work_{job.kind}")
    _job, _read, _embed = job, work.Reader(job), work.Model(job)


def rows_of(keys: list[str]) -> list[dict[str, Any]]:
    """The rows of some objects."""
    found = [(key, ordinal, item) for key in keys for ordinal, item in enumerate(_read(_job.read(key)))]
    vectors = _embed([item for _, _, item in found]) if found else []
    return [row(*one, vector) for one, vector in zip(found, vectors, strict=True)]


def main() -> None:
    job = Job.from_command_line()
    work = import_module(f"work_{job.kind}")
    sink = Sink(job, work.DIMENSION)
    keys = job.names()
    calls = [keys[start : start + work.FILES_PER_CALL] for start in range(0, len(keys), work.FILES_PER_CALL)]
    with multiprocessing.Pool(job.cores, load, [job]) as pool:
        for rows in pool.imap_unordered(rows_of, calls):
            sink.upsert(rows)
    sink.flush()


if __name__ == "__main__":
    main()
