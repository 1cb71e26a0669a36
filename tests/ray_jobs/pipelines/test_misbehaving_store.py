"""A whole run over a store that misbehaves for single objects: these fail, the others are done."""

from dataclasses import replace

import pytest

from embedded.pdfs import make_pdf
from embedded.ray_head import RayHead
from embedded.s3_stub import S3Stub

SOURCE, COLLECTION = "s3://bucket/day/", "misbehaving_"
FAULTS = {
    "internal error": ((500, "InternalError", "We encountered an internal error"), "Unreadable"),
    "breaks off": ("break", "Unreadable"),
    "key of its owner": ((400, "InvalidRequest", "stored using a form of Server Side Encryption"), "Forbidden"),
    "ghost": ((404, "NoSuchKey", "The specified key does not exist."), "Vanished"),
}
GOOD = [f"good {number}.pdf" for number in range(40)]


@pytest.mark.nightly
def test_objects_for_which_the_store_misbehaves_fail_alone_and_count_for_the_exit_code(
    plain_jobs, milvus_client, tmp_path
):
    def ledger():
        rows = milvus_client.query(
            f"{COLLECTION}sources", filter='source != ""', consistency_level="Strong", limit=100,
            output_fields=["source", "status", "stage", "error_type", "rows"],
        )  # fmt: skip
        return {row["source"].removeprefix(SOURCE): row for row in rows}

    with S3Stub() as stub, RayHead(tmp_path, environment=stub.environment()) as head:
        jobs = replace(
            plain_jobs, environment={**plain_jobs.environment, **stub.environment(), **head.client_environment()}
        )
        for name in [*GOOD, *(f"{fault}.pdf" for fault in FAULTS)]:
            stub.put(f"day/{name}", make_pdf(f"The text of {name}"))
        for name, (fault, _) in FAULTS.items():
            stub.objects[f"day/{name}.pdf"].fault = fault

        first = jobs.run("ingest_pdfs.py", "--source", SOURCE, "--collection", COLLECTION)
        assert (first.code, first.report["added"], first.report["failed"]) == (0, len(GOOD) + len(FAULTS), len(FAULTS))
        entries = ledger()
        assert {name: entries[name]["status"] for name in GOOD} == dict.fromkeys(GOOD, "ok")
        for name, (_, failure) in FAULTS.items():
            entry = entries[f"{name}.pdf"]
            assert (entry["status"], entry["stage"], entry["error_type"]) == ("failed", "read", failure)

        fewer = jobs.run(
            "ingest_pdfs.py", "--source", SOURCE, "--collection", COLLECTION, "--max-failed-fraction", "0.01"
        )
        assert (fewer.code, fewer.report["unchanged"]) == (3, len(GOOD))
