"""The page's API on a Milvus Lite server, and ledgers that the jobs' own code writes for it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi.testclient import TestClient

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.ledger.entries import ledger_row
from ingest.ledger.tries import tries_of, with_tries

DIMENSION = 4
VERSION = "v1"
HOUR = 3_600_000


def entry(
    source: str,
    pipeline: str = "pdfs",
    *,
    rows: int = 1,
    failure: Failure | None = None,
    message: str = "",
    attempts: int = 1,
    vector: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0),
    hours_ago: float = 0.0,
    run_id: str = "job",
    owner: dict[str, Any] | None = None,
    before: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A row of the ledger as runs write it; ``before`` is the object's row until then."""
    metadata = {"pages": 1} | ({"owner": owner} if owner else {})
    row = ledger_row(
        source=source, pipeline=pipeline, version=VERSION, size=1000, fingerprint="f", run_id=run_id, rows=rows,
        attempts=attempts, vector=np.array(vector, np.float32),
        metadata=with_tries(metadata, tries_of(before, run_id)) if before else metadata,
        failure=ObjectError(failure, message) if failure else None,
    )  # fmt: skip
    row["updated_at"] -= int(hours_ago * HOUR)
    return row


@dataclass
class Page:
    """The API for users of a role, and what it reads."""

    client: TestClient
    role: str
    prefix: str
    milvus: Any

    def get(self, path: str, **parameters: Any) -> Any:
        """The answer to a request that must succeed."""
        response = self.client.get(path, params=parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def status(self, path: str, **parameters: Any) -> int:
        return int(self.client.get(path, params=parameters).status_code)

    def write(self, *entries: dict[str, Any]) -> None:
        self.milvus.upsert(f"{self.prefix}sources", list(entries))


def chunk(
    source: str, ordinal: int, text: str, metadata: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """A row of the collection ``documents``, or of another one by its own fields."""
    own = fields or {"page": ordinal + 1, "kind": "text"}
    return {
        "id": f"{source} {ordinal}", "source": source, "version": VERSION, "ordinal": ordinal, "text": text,
        "embedding": [1.0, 0.0, 0.0, 0.0], "metadata": metadata or {}, **own,
    }  # fmt: skip
