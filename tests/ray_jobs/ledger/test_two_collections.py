"""Objects with rows in two collections count as one object, wherever a write is interrupted."""

import uuid

import numpy as np
import pytest

from ingest.ledger.diff import Change
from ingest.ledger.parts import ObjectPart, Target
from ingest.ledger.writer import ObjectWriter
from ingest.milvus.schema import DOCUMENTS, ensure_rows, ensure_sources

DIMENSION = 4
FINGERPRINT = "f1"

SPLIT = "s3://bucket/day/film.mp4"


class Halves:
    """A pipeline with two collections, whose vectors have different dimensions."""

    def __init__(self, client):
        self.client = client
        suffix = uuid.uuid4().hex
        self.names = (f"first_{suffix}", f"second_{suffix}")
        self.ledger_name = f"ledger_{suffix}"
        for name, dimension in zip(self.names, (2, DIMENSION), strict=True):
            ensure_rows(client, DOCUMENTS, name, dimension)
        ensure_sources(client, self.ledger_name, DIMENSION)

    def parts(self, version, counts, **more):
        common = {"source": SPLIT, "version": version, "size": 1, "attempts": 0, "change": Change.NEW, "totals": counts}
        return [
            ObjectPart(
                collection=index,
                first=sum(counts[:index]),
                rows=[{"page": 1, "kind": "text", "text": f"{index} {n}", "metadata": {}} for n in range(count)],
                vectors=np.full((count, dimension), index + 0.5, np.float32),
                **{**common, **more},
            )
            for index, (count, dimension) in enumerate(zip(counts, (2, DIMENSION), strict=True))
        ]

    def write(self, parts):
        target = Target(self.names, self.ledger_name, DIMENSION, "videos", FINGERPRINT, "run", clean_new=False)
        return ObjectWriter(self.client, target).write(parts)

    def found(self):
        return [
            sorted(
                (row["ordinal"], row["version"])
                for row in self.client.query(
                    name, filter='id != ""', output_fields=["ordinal", "version"], limit=99, consistency_level="Strong"
                )
            )
            for name in self.names
        ]

    def entry(self):
        found = self.client.query(
            self.ledger_name, filter='source != ""', output_fields=["status", "rows", "vector"], limit=9,
            consistency_level="Strong",
        )  # fmt: skip
        return [(row["status"], row["rows"], [float(x) for x in row["vector"]]) for row in found]


@pytest.fixture
def halves(milvus_client):
    return Halves(milvus_client)


def test_rows_of_both_collections_count_as_one_object(halves):
    outcome = halves.write(halves.parts("v1", (2, 3)))
    assert (outcome.ok, outcome.rows_written) == (1, 5)
    assert halves.found() == [[(0, "v1"), (1, "v1")], [(2, "v1"), (3, "v1"), (4, "v1")]]
    assert halves.entry() == [("ok", 5, [0.5, 0.5, 0, 0])]


def test_the_ledger_waits_for_both_collections(halves):
    first, second = halves.parts("v1", (2, 3))
    assert halves.write([second]).ok == 0
    assert halves.entry()[0][0] == "failed"  # announced as being written
    assert halves.write([first]).ok == 1
    assert halves.entry() == [("ok", 5, [0.5, 0.5, 0, 0])]


def test_the_mean_is_of_the_second_collection_where_the_first_has_no_rows(halves):
    halves.write(halves.parts("v1", (0, 3)))
    assert halves.entry() == [("ok", 3, [1.5, 1.5, 1.5, 1.5])]


def test_a_row_that_moved_to_the_other_collection_is_not_duplicated(halves):
    halves.write(halves.parts("v1", (3, 2)))
    outcome = halves.write(halves.parts("v1", (2, 3), change=Change.CHANGED))
    assert outcome.rows_deleted == 1
    assert halves.found() == [[(0, "v1"), (1, "v1")], [(2, "v1"), (3, "v1"), (4, "v1")]]


def test_an_object_that_left_loses_its_rows_in_both_collections(halves):
    halves.write(halves.parts("v1", (2, 3)))
    target = Target(halves.names, halves.ledger_name, DIMENSION, "videos", FINGERPRINT, "run", clean_new=False)
    assert ObjectWriter(halves.client, target).remove([SPLIT]) == (1, 5)
    assert halves.found() == [[], []]
    assert halves.entry() == []
