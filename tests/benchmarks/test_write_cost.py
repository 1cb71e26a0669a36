"""What the order of writes and the ledger cost, against a bare loop that upserts the same rows.

    uv run pytest -n 0 -s -m benchmark tests/benchmarks/test_write_cost.py

WRITE_OBJECTS (50) are the objects, of WRITE_ROWS (100) rows each. Both write tables of as many rows, in turns, into
collections with the same indexes. Ours has the lease of a run, as every table asks Milvus whether it still holds. All
objects are new: of changed ones, rows have to be deleted as well, which the bare loop does not do.
"""

import os
import time
from dataclasses import replace
from statistics import median

import numpy as np
import pytest

from ingest.common.identity import row_ids
from ingest.ledger.diff import Change
from ingest.ledger.lease import lease
from ingest.ledger.parts import ObjectPart, Target
from ingest.ledger.writer import ObjectWriter
from ingest.milvus.client import connect
from ingest.milvus.schema import DOCUMENTS, ensure_rows, ensure_sources

OBJECTS = int(os.environ.get("WRITE_OBJECTS", 50))
ROWS = int(os.environ.get("WRITE_ROWS", 100))
TABLE_ROWS = {"tables without GPUs": 250, "tables with GPUs": 1000}
DIMENSION = 384
ROUNDS = 5

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def parts() -> list[ObjectPart]:
    chance = np.random.default_rng(0)
    text = " ".join(["The fog signal sounds twice a minute."] * 20)
    rows = [{"page": 1, "kind": "text", "text": text, "metadata": {}} for _ in range(ROWS)]
    found = []
    for number in range(OBJECTS):
        vectors = chance.normal(size=(ROWS, DIMENSION)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        part = ObjectPart(f"s3://write/{number:05}.pdf", "v1", 1, 0, Change.NEW, totals=(ROWS,), rows=rows)
        found.append(replace(part, vectors=vectors, metadata={"pages": 1}))
    return found


@pytest.mark.parametrize("name", TABLE_ROWS)
def test_writing_costs_little_more_than_bare_upserts(name, figures, milvus, parts):
    client = connect(milvus.uri)
    at_once = max(1, TABLE_ROWS[name] // ROWS)
    tables = [parts[start : start + at_once] for start in range(0, len(parts), at_once)]
    bare, ours = [], []
    for number in range(ROUNDS):
        suffix = f"{at_once}_{number}"
        ensure_rows(client, DOCUMENTS, f"bare_{suffix}", DIMENSION)
        ensure_rows(client, DOCUMENTS, f"ours_{suffix}", DIMENSION)
        ensure_sources(client, f"ledger_{suffix}", DIMENSION)
        with lease(client, f"write_{suffix}_", "pdfs", "s3://write/", "run", print) as held:
            target = Target((f"ours_{suffix}",), f"ledger_{suffix}", DIMENSION, "pdfs", "f1", "run", False, lease=held)
            writer = ObjectWriter(client, target)

            def upsert(suffix: str = suffix) -> None:
                for table in tables:
                    client.upsert(f"bare_{suffix}", [row for part in table for row in plain_rows(part)])

            def write(writer: ObjectWriter = writer) -> None:
                for table in tables:
                    assert writer.write(table).ok == len(table)

            for work, seconds in ((upsert, bare), (write, ours))[:: 1 if number % 2 else -1]:
                began = time.perf_counter()
                work()
                seconds.append(time.perf_counter() - began)
    ratio, rows = median(ours) / median(bare), OBJECTS * ROWS
    figures.note(
        "write", name, ratio, f"{rows} rows, {at_once * ROWS} at once, on Milvus Lite: {rows / median(ours):.0f} "
        f"against {rows / median(bare):.0f} rows a second; all objects are new"
    )  # fmt: skip
    assert ratio < 1.5


def plain_rows(part: ObjectPart) -> list[dict]:
    """The rows of an object as a loop would make them."""
    ids = row_ids(part.source, part.version, "f1", 0, len(part.rows))
    return [
        {"id": key, "source": part.source, "version": part.version, "ordinal": number, "embedding": vector, **row}
        for number, (key, row, vector) in enumerate(zip(ids, part.rows, part.vectors, strict=True))
    ]
