"""The stage that writes, in a real Ray: a process writes many tables, and one that dies loses and doubles no row."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pymilvus.exceptions import DescribeCollectionException, MilvusException

from ingest.common.errors import UnreachableError
from ingest.ledger.parts import Target
from ingest.stages import write
from ingest.stages.blocks import PART_SCHEMA, VECTORS_FIELD, WRITABLE_SCHEMA, flat_lists
from writer_tables import DIMENSION, FINGERPRINT, ROOT, Tables

OBJECTS = 6
PROGRAM = """
import json, os, signal, sys
import numpy as np
import pyarrow as pa
from ingest.ledger.parts import Target
from ingest.run.ray_session import connect_ray
from ingest.stages.blocks import PART_SCHEMA, VECTORS_FIELD, flat_lists
from ingest.stages.requests import Resources
from ingest.stages.write import write_objects

class Observe:
    "Notes the process of each write, whose rows Milvus has acknowledged, and kills the first one."

    def __call__(self, stage, items, seconds):
        with open(arguments["notes"], "a") as notes:
            print(os.getpid(), file=notes)
        if not os.path.exists(arguments["notes"] + ".killed"):
            open(arguments["notes"] + ".killed", "w").close()
            os.kill(os.getpid(), signal.SIGKILL)

    def objects(self, ok, failed):
        pass

def table(number):
    row = {"source": f"{arguments['root']}{number}.pdf", "version": "v1", "size": 1, "attempts": 0, "change": "new",
           "metadata": "{}", "collection": 0, "first": 0, "totals": [1],
           "fields": [json.dumps({"page": 1, "kind": "text", "metadata": {}})], "texts": [f"text {number}"]}
    vectors = flat_lists(np.ones((arguments["dimension"], 1), np.float32), np.array([arguments["dimension"]]))
    return pa.Table.from_pylist([row], PART_SCHEMA).append_column(VECTORS_FIELD, vectors)

arguments = json.loads(sys.argv[1])
connect_ray(lambda line: None, 1 << 20)
import ray.data
target = Target((arguments["rows"],), arguments["ledger"], arguments["dimension"], "pdfs", arguments["fingerprint"],
                "run", False)
tables = ray.data.from_arrow([table(number) for number in range(arguments["objects"])])
done = []
write_objects(tables, arguments["uri"], target, Resources(0.04, 1, 0.01, 1, {}), Observe(), done.append, 100)
with open(arguments["notes"] + ".outcome", "w") as file:
    sources = sorted(source for outcome in done for source in outcome.done)
    json.dump([sum(outcome.ok for outcome in done), sum(outcome.rows_written for outcome in done), sources], file)
"""


def test_one_process_writes_table_after_table_and_when_it_dies_another_one_goes_on(
    jobs, milvus, milvus_client, tmp_path
):
    tables = Tables(milvus_client)
    arguments = {
        "uri": milvus.uri, "rows": tables.rows_name, "ledger": tables.ledger_name, "dimension": DIMENSION,
        "root": ROOT, "objects": OBJECTS, "fingerprint": FINGERPRINT, "notes": str(tmp_path / "notes"),
    }  # fmt: skip
    environment = {**jobs.environment, "PYTHONPATH": str(Path(__file__).parents[3] / "ray_jobs")}
    done = jobs.runner.run(["-c", PROGRAM, json.dumps(arguments)], environment)
    assert done.returncode == 0, done.stderr
    written = [f"{ROOT}{number}.pdf" for number in range(OBJECTS)]
    assert json.loads((tmp_path / "notes.outcome").read_text()) == [OBJECTS, OBJECTS, written]
    assert sorted(row["source"] for row in tables.rows()) == written
    assert [(entry["source"], entry["status"]) for entry in tables.ledger()] == [(name, "ok") for name in written]
    processes = (tmp_path / "notes").read_text().split()
    assert len(set(processes)) == 2
    assert len(processes) == OBJECTS + 1


class Unobserved:
    def __call__(self, stage, items, seconds):
        pass

    def objects(self, ok, failed):
        pass


@pytest.fixture
def written_with(milvus, milvus_client, monkeypatch):
    """Write a table of one object to a server that fails at its first upserts with these errors; returns the tables."""

    def write_one(*errors):
        tables, pending, upsert = Tables(milvus_client), list(errors), milvus_client.upsert

        def failing(*arguments, **settings):
            if pending:
                raise pending.pop(0)
            return upsert(*arguments, **settings)

        monkeypatch.setattr(milvus_client, "upsert", failing)
        monkeypatch.setattr(write, "client_of", lambda uri: milvus_client)
        target = Target((tables.rows_name,), tables.ledger_name, DIMENSION, "pdfs", FINGERPRINT, "run", False)
        fields = json.dumps({"page": 1, "kind": "text", "metadata": {}})
        row = {"source": f"{ROOT}a.pdf", "version": "v1", "size": 1, "attempts": 0, "change": "new", "metadata": "{}",
               "collection": 0, "first": 0, "totals": [1], "fields": [fields], "texts": ["text"]}  # fmt: skip
        vectors = flat_lists(np.ones((DIMENSION, 1), np.float32), np.array([DIMENSION]))
        table = pa.Table.from_pylist([row], PART_SCHEMA).append_column(VECTORS_FIELD, vectors)
        write.WriteObjects(milvus.uri, target, Unobserved())(table)
        return tables

    return write_one


OVERLOADED = "stack trace: client.go:550 grpcclient: the root coordinator does not answer"


@pytest.mark.parametrize("error", [MilvusException(65535, OVERLOADED), DescribeCollectionException(65535, OVERLOADED)])
def test_a_table_is_written_again_where_milvus_fails_for_a_moment(written_with, error):
    tables = written_with(error)
    assert [row["source"] for row in tables.rows()] == [f"{ROOT}a.pdf"]
    assert [entry["status"] for entry in tables.ledger()] == ["ok"]


def test_a_server_that_goes_on_failing_is_named_with_its_reason(written_with, monkeypatch):
    monkeypatch.setattr(write, "RETRY_SECONDS", 0.1)
    with pytest.raises(UnreachableError, match=r"failed at a request \(stack trace: .*\); look at its log, and run"):
        written_with(*[DescribeCollectionException(65535, OVERLOADED)] * 9)


def test_all_rows_of_an_object_have_its_owners_values_its_date_its_language_and_its_partition():
    fields = [json.dumps({"page": 1, "kind": "text", "metadata": known}) for known in ({}, {"headings": ["One"]})]
    metadata = {"pages": 1, "language": "de", "owner": {"tenant": "acme"}, "stored": 0}
    row = {"source": "s3://b/2026-01-31/a.pdf", "version": "v1", "size": 1, "attempts": 0, "change": "new",
           "metadata": json.dumps(metadata), "collection": 0, "first": 0, "totals": [2], "fields": fields,
           "texts": ["one", "two"], "vectors": [0.0] * 8}  # fmt: skip
    table = pa.Table.from_pylist([row], WRITABLE_SCHEMA)
    (part,), (without,) = list(write.object_parts(table, "tenant")), list(write.object_parts(table))
    shared = {"owner": {"tenant": "acme"}, "date": "2026-01-31", "language": "de"}
    assert [found["metadata"] for found in part.rows] == [shared, {"headings": ["One"], **shared}]
    assert ([found["partition"] for found in part.rows], part.metadata) == (["acme", "acme"], metadata)
    assert "partition" not in without.rows[0]
