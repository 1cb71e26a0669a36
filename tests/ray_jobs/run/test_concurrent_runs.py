"""Two concurrent runs over overlapping prefixes, with real services, lose and duplicate no row."""

import threading

import pytest

from embedded.pdfs import DAYS, make_pdfs
from ingest.common.identity import row_ids

SCRIPT = "ingest_pdfs.py"
BUCKET = "concurrent-runs"


def contents(client, collection):
    """The row ids by source, and the ledger entries by source."""
    rows = client.query(
        f"{collection}documents", filter='id != ""', limit=10_000, consistency_level="Strong",
        output_fields=["id", "source"],
    )  # fmt: skip
    ledger = client.query(
        f"{collection}sources", filter='source != ""', limit=10_000, consistency_level="Strong",
        output_fields=["source", "version", "status", "rows", "fingerprint", "metadata"],
    )  # fmt: skip
    by_source = {}
    for row in rows:
        by_source.setdefault(row["source"], []).append(row["id"])
    return by_source, {row["source"]: row for row in ledger}


@pytest.mark.chaos
def test_a_backfill_beside_a_run_with_another_chunk_size_ends_like_consecutive_runs(jobs, object_store, milvus_client):
    source = f"{object_store.bucket(BUCKET)}/pdfs/"
    for day in DAYS:
        for name, data in make_pdfs(day).items():
            object_store.client().put_object(Bucket=BUCKET, Key=f"pdfs/{day}/{name}", Body=data)
    results = {}

    def run(prefix, tokens):
        flags = ["--source", prefix, "--collection", "concurrent_", "--chunk-tokens", str(tokens)]
        results[tokens] = jobs.run(SCRIPT, *flags)

    threads = [
        threading.Thread(target=run, args=arguments) for arguments in ((source, 200), (f"{source}{DAYS[0]}/", 12))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert [result.code for result in results.values()] == [0, 0], results
    assert "waiting for a run" in results[12].stdout + results[200].stdout
    rows, ledger = contents(milvus_client, "concurrent_")
    assert set(rows) == set(ledger)
    for name, entry in ledger.items():
        expected = row_ids(name, entry["version"], entry["fingerprint"], 0, entry["rows"])
        assert sorted(rows[name]) == sorted(expected), name
    fingerprints = {day: {e["fingerprint"] for s, e in ledger.items() if f"/{day}/" in s} for day in DAYS}
    assert [len(found) for found in fingerprints.values()] == [1, 1]
