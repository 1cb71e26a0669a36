"""Rows of two collections with metadata of owners, and filters with the rows that they find, for any kind of server."""

import uuid
from typing import Any

import numpy as np

from ingest.milvus.filters import written
from ingest.milvus.lite_filters import fulfils
from ingest.milvus.schema import DOCUMENTS, IMAGES, ensure_rows
from ingest.search.narrowing import narrowed
from ingest.search.query import BY_DEFAULT

DIMENSION = 4
ODD = 'a "quoted" \\ back\\\\slash\nand\ttab, 文件 🙂 \' \\" or 1 == 1'

OWNERS: dict[str, dict[str, Any]] = {
    "acme": {"tenant": "acme", "year": 2026, "score": 1.5, "draft": True, "due": "2026-01-31T10:00:00Z"},
    "globex": {"tenant": "globex", "year": 2027, "score": 3, "draft": False, "due": "2026-02-01"},
    "texts": {"tenant": "7", "year": "2026", "score": "high", "draft": "true", "due": "unknown"},
    "numbers": {"tenant": 7, "year": -3, "score": 2.0, "draft": 1, "due": 20260131},
    "odd": {"tenant": ODD, "部门": "财务", "doc-type": "x", "a.b": "y"},
    "none": {},
}
"""The owner's values in each row, by its id. A row of before there were any is `old`."""

METADATA: dict[str, dict[str, Any]] = {
    **{name: {"owner": owner, "date": "2026-01-31", "language": "en"} for name, owner in OWNERS.items()},
    "old": {"headings": ["One"]},
}
METADATA["globex"] |= {"language": "zh", "date": "2026-02-01T23:59:59Z"}
METADATA["texts"] |= {"kind": "no field"}

KINDS = {"acme": "ocr", "globex": "caption"}

CASES: list[tuple[list[str], str]] = [
    ([], "acme globex none numbers odd old texts"),
    (["tenant=acme"], "acme"),
    (["Tenant = acme"], "acme"),
    (["tenant=acme", "tenant=globex"], "acme globex"),
    (["tenant!=acme"], "globex numbers odd texts"),
    (["tenant!=acme", "tenant!=globex"], "numbers odd texts"),
    (["tenant=7"], "numbers texts"),
    (["tenant=nobody"], ""),
    ([f"tenant={ODD}"], "odd"),
    (['tenant=x" or 1 == 1 or "" == "'], ""),
    (["部门=财务"], "odd"),
    (["doc-type=x", "a.b=y"], "odd"),
    (["year=2026"], "acme texts"),
    (["year>=2026"], "acme globex"),
    (["year>2026"], "globex"),
    (["year<2026"], "numbers"),
    (["year>=2026", "year<2027"], "acme"),
    (["year<=2026.5"], "acme numbers"),
    (["score=1.5"], "acme"),
    (["score=1.50"], "acme"),
    (["score>=+1.50", "score<1e1"], "acme globex numbers"),
    (["score>=2"], "globex numbers"),
    (["score=2"], "numbers"),
    (["score=3"], "globex"),
    (["score!=3"], "acme numbers texts"),
    (["score=high"], "texts"),
    (["draft=true"], "acme texts"),
    (["draft=false"], "globex"),
    (["draft!=true"], "globex numbers"),
    (["draft=1"], "numbers"),
    (["draft=0"], ""),
    (["draft!=1"], "acme globex texts"),
    (["draft!=0", "draft!=2"], "acme globex numbers texts"),
    (["draft<=5"], "numbers"),
    (["draft=true", "draft=1"], "acme numbers texts"),
    (["due=2026-01-31"], "acme"),
    (["due>2026-01-31"], "globex"),
    (["due>=2026-01-31"], "acme globex"),
    (["due<2026-02-01"], "acme"),
    (["due<=2026-02-01"], "acme globex"),
    (["due>=2026-01-31T12:00:00+02:00"], "acme globex"),
    (["due>2026-01-31T10:00:00Z"], "globex"),
    (["due<2026-01-31T10:00:01Z"], "acme"),
    (["score>=a"], "texts"),
    (["due!=2026-01-31"], "globex numbers texts"),
    (["date=2026-02-01"], "globex"),
    (["date<2026-02-01"], "acme none numbers odd texts"),
    (["language=zh-Hans"], "globex"),
    (["language!=zh"], "acme none numbers odd texts"),
    (["language=zh", "language=en", "tenant=acme"], "acme"),
    (["kind=ocr"], "acme"),
    (["kind=ocr", "kind=caption"], "acme globex"),
    (["kind!=text"], "acme globex"),
    (["pipeline=pdfs", "tenant=acme"], "acme"),
    (["pipeline=images"], ""),
    (["pipeline!=images", "tenant=acme"], "acme"),
    (["headings=One"], ""),
    (["owner=x"], ""),
]
"""Conditions, and the ids of the pages that fulfil all of them."""


class FilteredRows:
    """The rows in two collections of their own."""

    def __init__(self, client: Any) -> None:
        self._client = client
        suffix = uuid.uuid4().hex
        self.names = {DOCUMENTS: f"filtered_pages_{suffix}", IMAGES: f"filtered_images_{suffix}"}
        own = {DOCUMENTS: lambda name: {"page": 1, "kind": KINDS.get(name, "text"), "text": f"page of {name}"},
               IMAGES: lambda name: {"width": 1, "height": 1}}  # fmt: skip
        for collection, fields in own.items():
            ensure_rows(client, collection, self.names[collection], DIMENSION)
            rows = [
                {"id": name, "source": f"s3://b/{name}", "version": "v", "ordinal": 0, "metadata": metadata,
                 "embedding": np.ones(DIMENSION, np.float32), **fields(name)}
                for name, metadata in METADATA.items()
            ]  # fmt: skip
            client.upsert(self.names[collection], rows)

    def found(self, conditions: list[str], collection: str = DOCUMENTS) -> str:
        """The ids of the rows that a query finds, in order."""
        asking = narrowed(self._client, BY_DEFAULT, written(conditions), collection)
        if asking is None:
            return ""
        found = self._client.query(
            self.names[collection],
            filter=asking.condition or 'id != ""',
            output_fields=["id", "metadata"],
            consistency_level="Strong",
        )
        return " ".join(sorted(row["id"] for row in found if fulfils(row["metadata"], asking.checked)))

    def drop(self) -> None:
        for name in self.names.values():
            self._client.drop_collection(name)
