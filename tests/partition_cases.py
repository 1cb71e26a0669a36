"""A collection that is partitioned by the tenant, on any kind of server: its rows, a search, and a change of tenant."""

import uuid
from typing import Any

import numpy as np

from ingest.common.owner_values import OWNER, STORED
from ingest.ledger.diff import Change
from ingest.ledger.parts import ObjectPart, Target
from ingest.ledger.relabelling import Relabeller
from ingest.ledger.writer import ObjectWriter
from ingest.milvus.filters import expression, written
from ingest.milvus.partition_key import PARTITION, partition, partition_key_of
from ingest.milvus.schema import DOCUMENTS, ensure_rows, ensure_sources

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


def check(client: Any) -> None:
    """Everything that holds for a partitioned collection."""
    made = Partitioned(client)
    assert made.rows() == {"a": ["acme"], "b": ['globex "x" \\'], "c": ["7"], "d": ["true"], "e": [""]}
    searches = (["tenant=acme"], ['tenant=globex "x" \\'], ["tenant=7"], ["tenant=true"], ["tenant=acme", "tenant=7"])
    assert [made.found(*conditions) for conditions in searches] == ["a", "b", "c", "d", "a c"]
    assert made.found("tenant!=acme") == "b c d"
    made.move("a", "initech")
    assert made.rows()["a"] == ["initech"]
    assert (made.found("tenant=acme"), made.found("tenant=initech")) == ("", "a")
    made.drop()
