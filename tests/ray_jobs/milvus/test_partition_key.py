"""Collections that are partitioned by a value of the owner: a flag makes them so, and nothing changes them later."""

import uuid
from typing import Any

import numpy as np
import pytest

from ingest.common.errors import ConfigurationError
from ingest.common.owner_values import OWNER, STORED
from ingest.ledger.diff import Change
from ingest.ledger.parts import ObjectPart, Target
from ingest.ledger.relabelling import Relabeller
from ingest.ledger.writer import ObjectWriter
from ingest.milvus.filters import expression, written
from ingest.milvus.partition_key import PARTITION, partition, partition_key_of
from ingest.milvus.schema import DOCUMENTS, ensure_rows, ensure_sources
from ingest.run.flags import FlagParser
from ingest.run.shared_flags import RUN_FLAGS

DIMENSION = 4
TENANTS = {"a": "acme", "b": 'globex "x" \\', "c": 7, "d": True, "e": None}


class Partitioned:
    """A row of each of TENANTS."""

    def __init__(self, client: Any) -> None:
        self.client = client
        suffix = uuid.uuid4().hex
        self.rows_name, self.ledger_name = f"partitioned_{suffix}", f"partitioned_ledger_{suffix}"
        ensure_rows(client, DOCUMENTS, self.rows_name, DIMENSION, partition_key="tenant")
        ensure_sources(client, self.ledger_name, DIMENSION)
        self.target = Target(
            (self.rows_name,), self.ledger_name, DIMENSION, "pdfs", "f", "run", False,
            partition_key=partition_key_of(client, self.rows_name),
        )  # fmt: skip
        ObjectWriter(client, self.target).write([self._part(name, tenant) for name, tenant in TENANTS.items()])

    def _part(self, name: str, tenant: Any) -> ObjectPart:
        owner = {} if tenant is None else {"tenant": tenant}
        row = {
            "page": 1, "kind": "text", "text": f"page of {name}", "metadata": {OWNER: owner},
            **partition(owner, self.target.partition_key),
        }  # fmt: skip
        vectors = np.ones((1, DIMENSION), np.float32)
        metadata = {OWNER: owner, STORED: 1}
        return ObjectPart(name, "v", 1, 0, Change.NEW, totals=(1,), rows=[row], vectors=vectors, metadata=metadata)

    def rows(self) -> dict[str, list[str]]:
        """The partitions of the rows of each object."""
        found: dict[str, list[str]] = {}
        for row in self.client.query(
            self.rows_name, filter='id != ""', output_fields=["source", PARTITION], consistency_level="Strong"
        ):
            found.setdefault(row["source"], []).append(row[PARTITION])
        return found

    def found(self, *conditions: str) -> str:
        """The objects that a search with these conditions finds."""
        condition = expression(written(conditions), DOCUMENTS, self.target.partition_key)
        (hits,) = self.client.search(
            self.rows_name, data=[np.ones(DIMENSION, np.float32)], anns_field="embedding", filter=condition, limit=10,
            output_fields=["source"], consistency_level="Strong",
        )  # fmt: skip
        return " ".join(sorted(hit["entity"]["source"] for hit in hits))

    def move(self, name: str, tenant: Any) -> None:
        """Give an object another tenant."""
        relabeller = Relabeller(self.client, self.target, lambda _: {OWNER: {"tenant": tenant}, STORED: 2})
        assert relabeller.relabel([{"source": name, "version": "v"}]).rows_written == 1

    def drop(self) -> None:
        self.client.drop_collection(self.rows_name)
        self.client.drop_collection(self.ledger_name)


@pytest.fixture
def make(milvus_client):
    """Makes a collection with a partition key, or again with another one."""
    made = set()

    def make(name, *keys):
        made.add(name)
        for key in keys:
            ensure_rows(milvus_client, DOCUMENTS, name, 4, model="m", partition_key=key)
        return partition_key_of(milvus_client, name)

    yield make
    for name in made:
        milvus_client.drop_collection(name)


def new_name():
    return f"partition_key_{uuid.uuid4().hex}"


@pytest.fixture
def partitioned(milvus_client):
    made = Partitioned(milvus_client)
    yield made
    made.drop()


def test_rows_are_in_the_partition_of_their_owners_value(partitioned):
    assert partitioned.rows() == {"a": ["acme"], "b": ['globex "x" \\'], "c": ["7"], "d": ["true"], "e": [""]}
    searches = (["tenant=acme"], ['tenant=globex "x" \\'], ["tenant=7"], ["tenant=true"], ["tenant=acme", "tenant=7"])
    assert [partitioned.found(*conditions) for conditions in searches] == ["a", "b", "c", "d", "a c"]
    assert partitioned.found("tenant!=acme") == "b c d"


def test_rows_go_to_another_partition_with_another_value(partitioned):
    partitioned.move("a", "initech")
    assert partitioned.rows()["a"] == ["initech"]
    assert (partitioned.found("tenant=acme"), partitioned.found("tenant=initech")) == ("", "a")


def test_a_collection_keeps_its_partition_key_whether_a_run_gives_it_or_not(make):
    assert make(new_name(), "tenant", "", "tenant") == "tenant"
    assert make(new_name(), "", "") == ""
    assert make(f"never_{new_name()}") == ""


@pytest.mark.parametrize(
    ("first", "then", "sentence"),
    [
        ("", "tenant", "was made without a partition key, which no run can change: leave out --partition-key tenant"),
        ("tenant", "team", "is partitioned by 'tenant', which no run can change: leave out --partition-key team"),
    ],
)
def test_another_partition_key_is_refused(make, first, then, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        make(new_name(), first, then)


@pytest.mark.parametrize(
    ("name", "sentence"), [('a"b', "is no name of a value"), ("language", "is no value of an owner alone")]
)
def test_a_bad_name_is_refused(capsys, name, sentence):
    with pytest.raises(SystemExit) as caught:
        FlagParser("", RUN_FLAGS).parse_args(["--source", "s", "--milvus-uri", "http://h:1", "--partition-key", name])
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


def test_equal_numbers_are_in_one_partition():
    assert partition({"v": 12.0}, "v") == partition({"v": 12}, "v")
    assert 'partition == "12"' in (expression(written(["v=12"]), DOCUMENTS, "v") or "")


def test_a_whole_day_is_no_partition():
    partitioned = expression(written(["day=2026-01-31"]), "documents", "day")
    assert partitioned == expression(written(["day=2026-01-31"]), "documents")
    assert 'partition == "acme"' in expression(written(["tenant=acme"]), "documents", "tenant")
