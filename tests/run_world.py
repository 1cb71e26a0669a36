"""Runs without Ray over a stub of a store: their plan, their removals and their report, in real collections."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from embedded.s3_stub import S3Stub
from ingest.common.errors import ExitCode, ObjectError, TooManyFailedError
from ingest.common.failures import Failure
from ingest.ledger.alias import ensure_ledger
from ingest.ledger.diff import Change
from ingest.ledger.entries import read_ledger
from ingest.ledger.outcomes import ObjectOutcomes
from ingest.ledger.parts import ObjectPart, Target
from ingest.ledger.writer import ObjectWriter
from ingest.migration.generations import Names, publish
from ingest.milvus.schema import DOCUMENTS, ensure_rows
from ingest.run import run as run_module
from ingest.run.flags import FlagParser
from ingest.run.options import run_options_from
from ingest.run.processing import Assignment
from ingest.run.report import Report
from ingest.run.run import Run
from ingest.run.shared_flags import RUN_FLAGS
from ingest.stages.pipeline import Collection, Pipeline

DIMENSION = 4


def pipeline(model: str = "m") -> Pipeline:
    collections = (Collection(DOCUMENTS, DIMENSION, model),)
    return Pipeline("pdfs", "chunks", (".pdf",), collections, model, (), "f1", build=lambda *_: None)


def part(source: str, version: str, change: Change = Change.NEW, failure: ObjectError | None = None) -> ObjectPart:
    """An object of one row, or a failed one."""
    if failure:
        return ObjectPart(source, version, 1, 0, change, failure=failure)
    rows = [{"page": 1, "kind": "text", "text": source, "metadata": {}}]
    vectors = np.full((1, DIMENSION), 0.5, np.float32)
    return ObjectPart(source, version, 1, 0, change, totals=(1,), rows=rows, vectors=vectors)


class World:
    """A store with objects below a folder, all of them in the ledger and in the rows.

    `said` is what runs printed, `written` the sources that they processed.
    """

    def __init__(self, stub: S3Stub, client: Any, uri: str, folder: str, names: Sequence[str]) -> None:
        self.stub, self.client, self.uri = stub, client, uri
        self.folder, self.source = folder, f"s3://bucket/{folder}"
        self.all_names = names
        self.prefix = f"m{uuid.uuid4().hex[:12]}_"
        self.names = Names.of(self.prefix, "pdfs", (DOCUMENTS,), "m")
        ensure_rows(client, DOCUMENTS, self.names.rows[0], DIMENSION, model="m")
        publish(client, self.names)
        ensure_ledger(client, self.names.ledger, DIMENSION)
        for name in names:
            stub.put(folder + name, name.encode())
        ObjectWriter(client, self.target()).write(
            [part(self.source + name, stub.objects[folder + name].etag.strip('"')) for name in names]
        )
        self.said: list[str] = []
        self.written: list[str] = []

    def target(self) -> Target:
        return Target(self.names.rows, self.names.ledger, DIMENSION, "pdfs", "f1", "earlier", clean_new=False)

    def keep_listed(self, count: int) -> None:
        """Delete all objects but the first ones from the store."""
        self.delete(*self.all_names[count:])

    def delete(self, *names: str) -> None:
        for name in names:
            del self.stub.objects[self.folder + name]

    def run(self, *flags: str, model: str = "m", sources: Sequence[str] = ()) -> Report:
        given = [f"--source={source}" for source in sources or [self.source]]
        arguments = [*given, "--milvus-uri", self.uri, "--collection", self.prefix, *flags]
        options = run_options_from(FlagParser("", RUN_FLAGS).parse_args(arguments))
        return Run(pipeline(model), options, self.said.append).execute()

    def stopped(self, *flags: str, **settings: Any) -> tuple[str, Report]:
        """The sentence and the report of a run that ends with exit code 3."""
        with pytest.raises(TooManyFailedError) as caught:
            self.run(*flags, **settings)
        assert caught.value.exit_code == ExitCode.TOO_MANY_FAILED
        sentence, report = caught.value.args
        return sentence, report

    def process_without_ray(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let runs write a row for each object of their work, in one block; objects named `bad` or `changing` fail."""

        def process_objects(assignment: Assignment) -> tuple[ObjectOutcomes, dict[str, Any]]:
            outcome = ObjectOutcomes()
            for block in assignment.work.blocks():
                for row in block.to_pylist():
                    self.written.append(row["source"].removeprefix(self.source))
                    failure = None
                    if "bad" in row["source"]:
                        failure = ObjectError(Failure.ENCRYPTED, "it needs a password")
                    elif "changing" in row["source"]:
                        failure = ObjectError(Failure.CHANGED_DURING_RUN, "it was replaced")
                    made = part(row["source"], row["version"], Change(row["change"]), failure)
                    outcome.add(ObjectWriter(self.client, assignment.target).write([made]))
            return outcome, {}

        monkeypatch.setattr(run_module, "process_objects", process_objects)

    def rows(self) -> list[str]:
        """The names that have rows, which are those of the ledger."""
        rows = self.client.query(
            self.names.rows[0], filter='id != ""', output_fields=["source"], limit=1000, consistency_level="Strong"
        )
        ledger = {entry.source for entry in read_ledger(self.client, self.names.ledger, "", "pdfs") if entry.ok}
        found = {row["source"] for row in rows}
        assert found == ledger
        return sorted(source.removeprefix(self.source) for source in found)


@contextmanager
def small_world(stub: S3Stub, client: Any, uri: str, folder: str, names: Sequence[str]) -> Iterator[World]:
    """A world whose collections are dropped at the end."""
    stub.reset()
    world = World(stub, client, uri, folder, names)
    yield world
    for name in client.list_collections():
        if name.startswith(world.prefix):
            for alias in client.list_aliases(name).get("aliases", ()):
                client.drop_alias(alias)
            client.drop_collection(name)
