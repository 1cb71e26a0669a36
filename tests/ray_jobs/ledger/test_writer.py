"""The writer on a real Milvus Lite server: rows, ledger rows and outcomes of objects that succeed, change or fail."""

import numpy as np
import pytest

from ingest.common.errors import ObjectError
from ingest.common.failures import MAX_ATTEMPTS, Failure
from ingest.common.identity import row_id
from ingest.ledger.batches import BATCH_ROWS, batched_by_bytes
from ingest.ledger.outcomes import MAX_FAILURES, ObjectOutcomes
from writer_tables import (
    BROKEN,
    CRASHED,
    DIMENSION,
    FINGERPRINT,
    ROOT,
    A,
    B,
    C,
    many,
    part,
    vector,
    vectors,
)

ODD = [
    f"{ROOT}{name}.pdf"
    for name in (
        'double"quote', "single'quote", "back\\slash", "back\\nslash", "new\nline", "tab\ttab", "100%", "under_score",
        "{brace}[0]", "文件🙂", "a b+c#d?e", "e\u0301", "$(x)`y`", "trail\\",
    )
]  # fmt: skip


def test_rows_have_deterministic_ids_and_all_fields(tables):
    tables.run({A: ("v1", ["one", "two"])})
    first, second = sorted(tables.rows(), key=lambda row: row["ordinal"])
    assert first["id"] == row_id(A, "v1", FINGERPRINT, 0)
    assert second == {
        "id": row_id(A, "v1", FINGERPRINT, 1), "source": A, "version": "v1", "ordinal": 1, "page": 2, "kind": "text",
        "text": "two", "embedding": vectors({"embedding": vector("two")})["embedding"],
    }  # fmt: skip


def test_the_ledger_row_describes_the_work(tables):
    tables.run({A: ("v1", ["one", "two"])})
    (row,) = tables.ledger()
    mean = (vector("one") + vector("two")) / 2
    assert row == {
        "source": A, "pipeline": "pdfs", "version": "v1", "size": 1, "status": "ok", "rows": 2, "stage": "",
        "error_type": "", "error_message": "", "attempts": 1, "fingerprint": FINGERPRINT, "metadata": {"pages": 3},
        "vector": vectors({"vector": mean})["vector"],
    }  # fmt: skip


def test_writing_twice_changes_nothing(tables):
    parts = [part(A, "v1", ["one", "two"]), part(B, "v1", BROKEN)]
    tables.writer().write(parts)
    before = tables.state()
    tables.writer(clean_new=True).write(parts)
    assert tables.state() == before


def test_the_outcome_counts_objects_and_rows(tables):
    outcome = tables.writer().write([part(A, "v1", ["one", "two"]), part(B, "v1", BROKEN), part(C, "v1", [])])
    assert (outcome.ok, outcome.failed, outcome.rows_written, outcome.rows_deleted) == (2, 1, 2, 0)
    assert outcome.failures == [{"source": B, "stage": "parse", "error_type": "Encrypted", "message": BROKEN.message}]


def test_failures_are_grouped_over_all_objects_and_writers():
    total = ObjectOutcomes()
    for writer in range(3):
        outcome = ObjectOutcomes()
        for number in range(100):
            outcome.fail(f"s3://b/{writer}-{number}.pdf", BROKEN if number % 4 else CRASHED)
        total.add(outcome)
    assert (total.failed, len(total.failures)) == (300, MAX_FAILURES)
    groups = [(group["error_type"], group["count"], group["example"]["source"]) for group in total.grouped()]
    assert groups == [("Encrypted", 225, "s3://b/0-1.pdf"), ("Crashed", 75, "s3://b/0-0.pdf")]


def test_a_new_version_replaces_the_old_rows(tables):
    tables.run({A: ("v1", ["one", "two", "three"]), B: ("v1", ["other"])})
    assert tables.run({A: ("v2", ["new"]), B: ("v1", ["other"])}) == [(A, "changed"), (B, "unchanged")]
    assert [(row["source"], row["version"], row["text"]) for row in tables.rows() if row["source"] == A] == [
        (A, "v2", "new")
    ]
    assert len(tables.rows()) == 2


def test_another_fingerprint_replaces_the_old_rows(tables, make_tables):
    contents = {A: ("v1", ["one", "two"])}
    tables.run(contents)
    tables.run(contents, fingerprint="f2")
    clean = make_tables()
    clean.run(contents, fingerprint="f2")
    assert tables.state() == clean.state()


def test_an_object_with_more_rows_than_a_request_is_complete(tables):
    count = 2 * BATCH_ROWS + 1
    outcome = tables.writer().write([part(A, "v1", many(count))])
    assert (outcome.ok, outcome.rows_written) == (1, count)
    assert sorted(row["ordinal"] for row in tables.rows()) == list(range(count))


def test_a_failed_object_is_in_the_ledger_and_loses_the_rows_it_had(tables):
    tables.run({A: ("v1", ["one", "two"])})
    tables.run({A: ("v2", BROKEN)})
    (row,) = tables.ledger()
    assert tables.rows() == []
    shown = {name: row[name] for name in ("status", "stage", "error_type", "error_message", "rows", "attempts")}
    assert shown == {
        "status": "failed", "stage": "parse", "error_type": "Encrypted", "error_message": BROKEN.message,
        "rows": 0, "attempts": 1,
    }  # fmt: skip
    assert row["vector"] == [0.0] * DIMENSION


def test_old_rows_stay_while_a_retry_is_due_and_are_deleted_with_the_last_attempt(tables):
    tables.run({A: ("v1", ["one", "two"])})
    held = []
    for _ in range(MAX_ATTEMPTS):
        tables.run({A: ("v2", CRASHED)})
        held.append(len(tables.rows()))
    assert held == [2] * (MAX_ATTEMPTS - 1) + [0]
    assert [(row["status"], row["attempts"]) for row in tables.ledger()] == [("failed", MAX_ATTEMPTS)]


def test_the_ledger_holds_the_limit_that_an_object_exceeded(tables):
    tables.run({A: ("v1", ObjectError(Failure.TOO_MANY_PAGES, "too many", limit=10))})
    assert [row["metadata"]["limit"] for row in tables.ledger()] == [10]


def test_a_failure_caused_by_the_object_itself_is_not_retried(tables):
    assert [tables.run({A: ("v1", BROKEN)})[0][1] for _ in range(3)] == ["new", "unchanged", "unchanged"]


def test_attempts_are_counted_and_the_object_is_not_retried_after_the_last(tables):
    changes = [tables.run({A: ("v1", CRASHED)})[0][1] for _ in range(5)]
    assert changes == ["new", "retry", "retry", "unchanged", "unchanged"]
    assert [row["attempts"] for row in tables.ledger()] == [3]


def test_an_object_without_text_counts_as_done(tables):
    tables.run({A: ("v1", [])})
    assert [(row["status"], row["rows"], row["vector"]) for row in tables.ledger()] == [("ok", 0, [0.0] * DIMENSION)]
    assert tables.run({A: ("v1", [])}) == [(A, "unchanged")]


def test_a_long_error_message_is_truncated_and_the_object_still_recorded(tables):
    tables.run({A: ("v1", ObjectError(Failure.DAMAGED, "文" * 5000))})
    (row,) = tables.ledger()
    assert 600 < len(row["error_message"]) < 700


@pytest.mark.parametrize("source", ODD, ids=ascii)
def test_odd_characters_in_a_source_select_that_object_and_no_other(tables, source):
    others = {other: ("v1", ["other"]) for other in ODD if other != source}
    tables.run({source: ("v1", ["one", "two"]), **others})
    assert tables.run({source: ("v2", ["new"]), **others}) == sorted(
        [(source, "changed"), *((other, "unchanged") for other in others)]
    )
    assert [row["text"] for row in tables.rows() if row["source"] == source] == ["new"]
    assert (source, "missing") in tables.run(others)
    assert {row["source"] for row in tables.rows()} == {row["source"] for row in tables.ledger()} == set(others)


def test_batches_are_limited_in_rows_and_bytes_and_lose_no_row():
    small = [{"id": str(n), "text": "x"} for n in range(2 * BATCH_ROWS + 1)]
    assert [len(batch) for batch in batched_by_bytes(small)] == [BATCH_ROWS, BATCH_ROWS, 1]
    large = [{"id": str(n), "embedding": np.zeros(1 << 20, np.float32)} for n in range(10)]  # 4 MiB each
    assert [len(batch) for batch in batched_by_bytes(large)] == [3, 3, 3, 1]
    assert [len(batch) for batch in batched_by_bytes([{"id": "1", "embedding": np.zeros(5 << 20, np.float32)}])] == [1]
    assert list(batched_by_bytes([])) == []
