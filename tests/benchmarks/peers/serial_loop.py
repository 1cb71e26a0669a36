"""A loop: one file after the other, by the libraries themselves, which use all cores in the model."""

from importlib import import_module

from job import Job, Sink, row


def main() -> None:
    job = Job.from_command_line()
    work = import_module(f"work_{job.kind}")
    read, embed = work.Reader(job), work.Model(job)
    sink = Sink(job, work.DIMENSION)
    keys = job.names()
    for start in range(0, len(keys), work.FILES_PER_CALL):
        found = [
            (key, n, item)
            for key in keys[start : start + work.FILES_PER_CALL]
            for n, item in enumerate(read(job.read(key)))
        ]
        if found:
            vectors = embed([item for _, _, item in found])
            sink.upsert([row(*one, vector) for one, vector in zip(found, vectors, strict=True)])
    sink.flush()


if __name__ == "__main__":
    main()
