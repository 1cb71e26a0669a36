"""Ray's tasks and actors: a task for each file, an actor for each core and model, and `ray.get`."""

from importlib import import_module
from typing import Any

import ray
from job import Job, Sink, row


@ray.remote
def read(job: Job, key: str) -> list[Any]:
    """The items of an object."""
    return import_module(f"work_{job.kind}").Reader(job)(job.read(key))


@ray.remote
class Reading:
    """`read` with a model that stays loaded."""

    def __init__(self, job: Job) -> None:
        self._job, self._read = job, import_module(f"work_{job.kind}").Reader(job)

    def read(self, key: str) -> list[Any]:
        return self._read(self._job.read(key))


@ray.remote
class Embedding:
    """The model of the vectors."""

    def __init__(self, job: Job) -> None:
        self._embed = import_module(f"work_{job.kind}").Model(job)

    def embed(self, *items: list[Any]) -> Any:
        together = [item for some in items for item in some]
        return self._embed(together) if together else []


def main() -> None:
    job = Job.from_command_line()
    work = import_module(f"work_{job.kind}")
    ray.init(log_to_driver=False)
    keys = job.names()
    if work.READER_HAS_MODEL:
        readers = [Reading.remote(job) for _ in range(job.cores)]
        items = [readers[number % job.cores].read.remote(key) for number, key in enumerate(keys)]
    else:
        items = [read.remote(job, key) for key in keys]
    models = [Embedding.remote(job) for _ in range(job.cores)]
    sink = Sink(job, work.DIMENSION)
    calls = []
    for number, start in enumerate(range(0, len(keys), work.FILES_PER_CALL)):
        some = slice(start, start + work.FILES_PER_CALL)
        calls.append((keys[some], items[some], models[number % job.cores].embed.remote(*items[some])))
    for names, found, vectors in calls:
        pairs = zip(names, ray.get(found), strict=True)
        together = [(name, ordinal, item) for name, some in pairs for ordinal, item in enumerate(some)]
        sink.upsert([row(*one, vector) for one, vector in zip(together, ray.get(vectors), strict=True)])
    sink.flush()


if __name__ == "__main__":
    main()
