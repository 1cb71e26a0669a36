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

PROGRAM = """
import json, os, signal, sys, time
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
        if arguments["kill"] and not os.path.exists(arguments["notes"] + ".killed"):
            open(arguments["notes"] + ".killed", "w").close()
            os.kill(os.getpid(), signal.SIGKILL)

    def objects(self, ok, failed):
        pass

def table(number):
    row = {"source": arguments["sources"][number], "version": "v1", "size": 1, "attempts": 0, "change": "new",
           "metadata": "{}", "collection": 0, "first": 0, "totals": [1],
           "fields": [json.dumps({"page": 1, "kind": "text", "metadata": {}})], "texts": [f"text {number}"]}
    vectors = flat_lists(np.ones((arguments["dimension"], 1), np.float32), np.array([arguments["dimension"]]))
    return pa.Table.from_pylist([row], PART_SCHEMA).append_column(VECTORS_FIELD, vectors)

def after_others(table):
    "Hands a table on when the writes of all tables before it are noted."
    before = int(table["texts"][0].as_py()[0].removeprefix("text "))
    deadline = time.monotonic() + 30
    while before and (not os.path.exists(arguments["notes"]) or len(open(arguments["notes"]).readlines()) < before):
        assert time.monotonic() < deadline, f"{before} tables are not written while another one is under way"
        time.sleep(0.05)
    return table

arguments = json.loads(sys.argv[1])
connect_ray(lambda line: None, 1 << 20)
import ray.data
target = Target((arguments["rows"],), arguments["ledger"], arguments["dimension"], "pdfs", arguments["fingerprint"],
                "run", False)
tables = ray.data.from_arrow([table(number) for number in range(len(arguments["sources"]))])
tables = tables.map_batches(after_others, batch_size=None, batch_format="pyarrow", concurrency=1, num_cpus=0.1)
done = []
write_objects(tables, arguments["uri"], target, Resources(0.04, 1, 0.01, 1, {}), Observe(), done.append, 100)
with open(arguments["notes"] + ".outcome", "w") as file:
    sources = sorted(source for outcome in done for source in outcome.done)
    json.dump([sum(outcome.ok for outcome in done), sum(outcome.rows_written for outcome in done), sources], file)
"""


@pytest.fixture
def written_by_job(jobs, milvus, milvus_client, tmp_path):
    """Write a table for each source in a job, each when those before it are written; returns the writing processes."""

    def write_all(sources, kill=False):
        tables = Tables(milvus_client)
        arguments = {
            "uri": milvus.uri, "rows": tables.rows_name, "ledger": tables.ledger_name, "dimension": DIMENSION,
            "sources": sources, "fingerprint": FINGERPRINT, "notes": str(tmp_path / "notes"), "kill": kill,
        }  # fmt: skip
        environment = {**jobs.environment, "PYTHONPATH": str(Path(__file__).parents[3] / "ray_jobs")}
        done = jobs.runner.run(["-c", PROGRAM, json.dumps(arguments)], environment)
        assert done.returncode == 0, done.stderr
        written = sorted(sources)
        assert json.loads((tmp_path / "notes.outcome").read_text()) == [len(sources), len(sources), written]
        assert sorted(row["source"] for row in tables.rows()) == written
        assert [(entry["source"], entry["status"]) for entry in tables.ledger()] == [(name, "ok") for name in written]
        return (tmp_path / "notes").read_text().split()

    return write_all


def test_one_process_writes_table_after_table_while_others_are_under_way(written_by_job):
    # Ray Data compares the sizes of outcomes that wait with that of the one at hand: here, those before it are larger.
    assert len(set(written_by_job([f"{ROOT}{'0' * (90 - 10 * number)}{number}.pdf" for number in range(9)]))) == 1


def test_when_the_process_that_writes_dies_another_one_goes_on(written_by_job):
    processes = written_by_job([f"{ROOT}{number}.pdf" for number in range(6)], kill=True)
    assert (len(set(processes)), len(processes)) == (2, 7)


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
