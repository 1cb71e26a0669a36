"""The rows that PDFs must have in Milvus, computed without a run, and those that they have."""

from collections.abc import Mapping
from typing import Any

from ingest.common.errors import ObjectError
from ingest.common.identity import row_ids
from ingest.pdf.chunking import ChunkSettings
from ingest.pdf.document import DocumentSettings, read_document

MAX_PAGES = 1000


def expected_ids(
    contents: Mapping[str, bytes], versions: Mapping[str, str], fingerprint: str, tokens: int = 200
) -> dict[str, list[str]]:
    """By source, the sorted ids of the rows after a clean run; an object that fails has none.

    The model's tokenizer must be ready (`prepare_documents`).

    contents: of all objects in the store, by source; `versions` are their ETags.
    """
    ids: dict[str, list[str]] = {}
    for source, data in contents.items():
        try:
            chunks = read_document(data, DocumentSettings(ChunkSettings(tokens, 0), MAX_PAGES)).chunks
        except ObjectError:
            ids[source] = []
        else:
            ids[source] = sorted(row_ids(source, versions[source], fingerprint, 0, len(chunks)))
    return ids


def stored_ids(client: Any, prefix: str = "") -> tuple[dict[str, list[str]], dict[str, dict[str, Any]]]:
    """By source, the sorted ids of the rows in Milvus, and the ledger's entries.

    prefix: of the collections' names.
    """
    for name in ("documents", "sources"):  # a server that has just started may still be loading them
        client.load_collection(prefix + name, timeout=120)
    rows, ledger = (
        client.query(
            prefix + name, filter=f'{key} != ""', output_fields=fields, limit=16_000, consistency_level="Strong",
            timeout=120,
        )
        for name, key, fields in (
            ("documents", "id", ["id", "source"]),
            ("sources", "source", ["source", "version", "status", "error_type", "fingerprint", "metadata"]),
        )
    )  # fmt: skip
    ids: dict[str, list[str]] = {row["source"]: [] for row in ledger}
    for row in rows:
        ids.setdefault(row["source"], []).append(row["id"])
    return {source: sorted(found) for source, found in ids.items()}, {row["source"]: row for row in ledger}
