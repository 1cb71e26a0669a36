"""Writing to a real Milvus Lite server: whatever breaks off where, the next run leaves what a clean one would."""

import contextlib
import uuid

import numpy as np
import pytest

from ingest.diff import Change, StoredObject, diff
from ingest.errors import MAX_ATTEMPTS, ObjectError
from ingest.identity import row_id
from ingest.ledger import read_ledger
from ingest.outcome import MAX_FAILURES, Outcome
from ingest.schema import DOCUMENTS, ensure_rows, ensure_sources
from ingest.writer import BATCH_ROWS, ObjectPart, ObjectWriter, Target, batched_by_bytes

DIMENSION = 4
FINGERPRINT = "f1"
ROOT = "s3://bucket/day/"
ODD = [
    f"{ROOT}{name}.pdf"
    for name in (
        'double"quote', "single'quote", "back\\slash", "back\\nslash", "new\nline", "tab\ttab", "100%", "under_score",
        "{brace}[0]", "文件🙂", "a b+c#d?e", "e\u0301", "$(x)`y`", "trail\\",
    )
]  # fmt: skip


class Tables:
    """A pair of collections and how a run of a few objects uses them."""

    def __init__(self, client):
        self.client = client
        suffix = uuid.uuid4().hex
        self.rows_name, self.ledger_name = f"writer_rows_{suffix}", f"writer_ledger_{suffix}"
        ensure_rows(client, DOCUMENTS, self.rows_name, DIMENSION)
        ensure_sources(client, self.ledger_name, DIMENSION)

    def target(self, clean_new=False, fingerprint=FINGERPRINT, run_id="run"):
        return Target((self.rows_name,), self.ledger_name, DIMENSION, "pdfs", fingerprint, run_id, clean_new)

    def writer(self, client=None, **target):
        return ObjectWriter(client or self.client, self.target(**target))

    def run(self, contents, client=None, fingerprint=FINGERPRINT):
        """What a run does with a store that holds `contents`: {source: (version, texts or an ObjectError)}."""
        client = client or self.client
        listing = [StoredObject(source, contents[source][0], 1) for source in sorted(contents)]
        differences = list(diff(listing, read_ledger(client, self.ledger_name, ROOT, "pdfs"), fingerprint))
        work = [d for d in differences if d.change not in (Change.UNCHANGED, Change.MISSING)]
        missing = [d.source for d in differences if d.change is Change.MISSING]
        writer = self.writer(client, clean_new=bool(self.rows()), fingerprint=fingerprint)
        if work:
            writer.write([part(d.source, d.version, contents[d.source][1], d.change, d.attempts) for d in work])
        if missing:
            writer.remove(missing)
        return [(d.source, str(d.change)) for d in differences]

    def rows(self):
        return self._all(self.rows_name, "id", ["source", "version", "ordinal", "page", "kind", "text", "embedding"])

    def ledger(self):
        fields = "pipeline version size status rows stage error_type error_message attempts fingerprint metadata vector"
        return self._all(self.ledger_name, "source", fields.split())

    def state(self):
        return self.rows(), self.ledger()

    def settled(self):
        """The state without the attempts of failed objects, which each further run counts up."""
        rows, ledger = self.state()
        return rows, [{**row, "attempts": row["attempts"] if row["status"] == "ok" else None} for row in ledger]

    def _all(self, name, key, fields):
        found = self.client.query(
            name, filter=f'{key} != ""', output_fields=[key, *fields], limit=10_000, consistency_level="Strong"
        )
        return sorted(({**row, **vectors(row)} for row in found), key=lambda row: row[key])


def vectors(row):
    return {name: [round(float(x), 5) for x in row[name]] for name in ("embedding", "vector") if name in row}


def vector(text):
    """A vector that depends on nothing but the text."""
    return np.random.default_rng(list(text.encode())).random(DIMENSION, np.float32)


def part(source, version, content, change=Change.NEW, attempts=0, first=0, total=None):
    failure = content if isinstance(content, ObjectError) else None
    texts = [] if failure else content
    return ObjectPart(
        source=source,
        version=version,
        size=1,
        attempts=attempts,
        change=change,
        first=first,
        totals=(len(texts) if total is None else total,),
        rows=[{"page": n + 1, "kind": "text", "text": text, "metadata": {}} for n, text in enumerate(texts, first)],
        vectors=np.array([vector(text) for text in texts], np.float32).reshape(-1, DIMENSION),
        metadata={} if failure else {"pages": 3},
        failure=failure,
    )


class Calls:
    """A real client that notes its calls, and from the call number `last` on raises instead of doing it."""

    def __init__(self, client, last=None):
        self._client = client
        self._last = last
        self.made = []

    def __getattr__(self, name):
        method = getattr(self._client, name)

        def call(collection, *args, **kwargs):
            if self._last is not None and len(self.made) >= self._last:
                raise ConnectionError(f"no {name} of {collection}")
            kind = "ledger" if "ledger" in collection else "rows"
            self.made.append(f"{name} {kind}")
            return method(collection, *args, **kwargs)

        return call


@pytest.fixture(scope="module")
def client(milvus_client):
    return milvus_client


@pytest.fixture
def make_tables(client):
    made = []

    def make():
        made.append(Tables(client))
        return made[-1]

    yield make
    for tables in made:
        client.drop_collection(tables.rows_name)
        client.drop_collection(tables.ledger_name)


@pytest.fixture
def tables(make_tables):
    return make_tables()


BROKEN = ObjectError("parse", "Encrypted", "the PDF needs a password")
CRASHED = ObjectError("parse", "Crashed", "the file crashed its parser (SIGSEGV)")
A, B, C, D, E = (f"{ROOT}{letter}.pdf" for letter in "abcde")


def test_rows_have_deterministic_ids_and_all_fields(tables):
    tables.run({A: ("v1", ["one", "two"])})
    first, second = sorted(tables.rows(), key=lambda row: row["ordinal"])
    assert first["id"] == row_id(A, "v1", FINGERPRINT, 0)
    assert second == {
        "id": row_id(A, "v1", FINGERPRINT, 1), "source": A, "version": "v1", "ordinal": 1, "page": 2, "kind": "text",
        "text": "two", "embedding": vectors({"embedding": vector("two")})["embedding"],
    }  # fmt: skip


def test_the_ledger_row_says_what_was_done(tables):
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
    assert outcome.failures == [
        {"source": B, "stage": "parse", "error_type": "Encrypted", "message": "the PDF needs a password"}
    ]


def test_failures_are_grouped_over_all_objects_and_writers():
    total = Outcome()
    for writer in range(3):
        outcome = Outcome()
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


def test_rows_come_first_then_the_ledger_then_the_deletion(tables):
    tables.run({A: ("v1", ["one", "two"])})
    calls = Calls(tables.client)
    tables.writer(calls).write([part(A, "v2", ["new"], Change.CHANGED)])
    changes = [call for call in calls.made if not call.startswith("query")]
    assert changes == ["upsert rows", "upsert ledger", "delete rows", "upsert ledger"]


def test_new_objects_cost_one_write_of_rows_and_one_of_the_ledger_before_and_after(tables):
    calls = Calls(tables.client)
    tables.writer(calls).write([part(A, "v1", ["one"]), part(B, "v1", ["two"])])
    assert calls.made == ["upsert ledger", "upsert rows", "upsert ledger"]


@pytest.mark.parametrize("last", range(4))
def test_an_object_that_was_cut_off_and_then_left_the_store_leaves_nothing(tables, last):
    with contextlib.suppress(ConnectionError):
        tables.writer(Calls(tables.client, last)).write([part(A, "v1", ["one", "two"])])
    tables.run({})
    assert tables.state() == ([], [])


def test_an_object_that_was_cut_off_is_said_to_be_and_no_try_is_counted(tables):
    with pytest.raises(ConnectionError):
        tables.writer(Calls(tables.client, 1)).write([part(A, "v1", ["one"])])
    (row,) = tables.ledger()
    assert (row["status"], row["stage"], row["error_type"], row["attempts"]) == ("failed", "write", "Interrupted", 0)
    assert tables.run({A: ("v1", ["one"])}) == [(A, "retry")]
    assert (tables.ledger()[0]["status"], tables.ledger()[0]["attempts"]) == ("ok", 1)


def test_removed_objects_lose_their_rows_before_their_ledger_rows(tables):
    tables.run({A: ("v1", ["one", "two"]), B: ("v1", ["other"])})
    calls = Calls(tables.client)
    assert tables.writer(calls).remove([A]) == (1, 2)
    assert [call for call in calls.made if not call.startswith("query")] == ["delete rows", "delete ledger"]
    assert {row["source"] for row in tables.rows() + tables.ledger()} == {B}


BEFORE = {
    A: ("v1", ["a one", "a two", "a three"]),
    B: ("v1", ["b one", "b two"]),
    C: ("v1", ["c one"]),
    D: ("v1", BROKEN),
}
AFTER = {
    A: ("v2", ["a new"]),
    B: ("v2", BROKEN),
    D: ("v2", ["d one", "d two"]),
    E: ("v1", ["e one", "e two"]),
}


def test_failing_at_any_call_and_running_again_leaves_what_a_clean_run_leaves(make_tables):
    clean = make_tables()
    clean.run(AFTER)
    whole = make_tables()
    whole.run(BEFORE)
    calls = Calls(whole.client)
    whole.run(AFTER, calls)
    assert whole.settled() == clean.settled()
    assert len(calls.made) > 8

    for last in range(len(calls.made)):
        tables = make_tables()
        tables.run(BEFORE)
        with pytest.raises(ConnectionError):
            tables.run(AFTER, Calls(tables.client, last))
        tables.run(AFTER)
        assert tables.settled() == clean.settled(), f"call {last}: {calls.made[last]}"
        assert {change for _, change in tables.run(AFTER)} <= {"unchanged", "retry"}


def test_a_first_run_that_fails_at_any_call_leaves_nothing_double(make_tables):
    clean = make_tables()
    clean.run(AFTER)
    for last in range(4):
        tables = make_tables()
        with contextlib.suppress(ConnectionError):
            tables.run(BEFORE, Calls(tables.client, last))
        tables.run({**AFTER, C: ("v2", ["c new"])})
        tables.run(AFTER)
        assert tables.settled() == clean.settled(), last


def test_no_reader_meets_a_gap_while_an_object_changes(tables):
    tables.run({A: ("v1", ["one", "two"])})
    whole = [("v1", 2), ("v2", 1)]
    for last in range(5):
        with contextlib.suppress(ConnectionError):
            tables.writer(Calls(tables.client, last)).write([part(A, "v2", ["new"], Change.CHANGED)])
        versions = [row["version"] for row in tables.rows()]
        assert any(versions.count(version) == count for version, count in whole), last


def many(count):
    return [f"chunk {n}" for n in range(count)]


def pieces(source, version, texts, size, **more):
    total = len(texts)
    return [part(source, version, texts[at : at + size], first=at, total=total, **more) for at in range(0, total, size)]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_an_object_in_parts_of_several_writers_is_one_object(make_tables, order):
    texts = many(25)
    clean = make_tables()
    clean.run({A: ("v1", texts)})
    tables = make_tables()
    parts = pieces(A, "v1", texts, 10)
    for at in order[:-1]:
        assert tables.writer().write([parts[at]]).ok == 0
        assert [row["error_type"] for row in tables.ledger()] == ["Interrupted"]
    assert tables.writer().write([parts[order[-1]]]).ok == 1
    assert tables.state() == clean.state()


def test_an_object_in_parts_within_one_write_is_counted_once(make_tables):
    texts = many(25)
    clean, tables = make_tables(), make_tables()
    clean.run({A: ("v1", texts)})
    outcome = tables.writer().write(pieces(A, "v1", texts, 10))
    assert (outcome.ok, outcome.rows_written) == (1, 25)
    assert tables.state() == clean.state()


def test_old_rows_stay_until_the_last_part_is_there(tables):
    tables.run({A: ("v1", ["old"])})
    first, second = pieces(A, "v2", many(20), 10, change=Change.CHANGED)
    tables.writer().write([first])
    assert "old" in {row["text"] for row in tables.rows()}
    tables.writer().write([second])
    assert {row["version"] for row in tables.rows()} == {"v2"}


def test_a_part_left_by_a_run_that_was_cut_off_goes_when_the_object_fails(tables):
    tables.writer().write([pieces(A, "v1", many(20), 10)[0]])
    tables.run({A: ("v1", BROKEN)})
    assert tables.rows() == []
    assert [row["status"] for row in tables.ledger()] == ["failed"]


def test_an_object_of_more_rows_than_a_request_is_whole(tables):
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
        "status": "failed", "stage": "parse", "error_type": "Encrypted", "error_message": "the PDF needs a password",
        "rows": 0, "attempts": 1,
    }  # fmt: skip
    assert row["vector"] == [0.0] * DIMENSION


def test_old_rows_stay_while_a_failure_may_pass_and_go_with_the_last_attempt(tables):
    tables.run({A: ("v1", ["one", "two"])})
    held = []
    for _ in range(MAX_ATTEMPTS):
        tables.run({A: ("v2", CRASHED)})
        held.append(len(tables.rows()))
    assert held == [2] * (MAX_ATTEMPTS - 1) + [0]
    assert [(row["status"], row["attempts"]) for row in tables.ledger()] == [("failed", MAX_ATTEMPTS)]


def test_the_limit_that_an_object_went_over_is_in_the_ledger(tables):
    tables.run({A: ("v1", ObjectError("parse", "TooManyPages", "too many", limit=10))})
    assert [row["metadata"]["limit"] for row in tables.ledger()] == [10]


def test_a_failure_that_is_the_objects_own_is_tried_once(tables):
    assert [tables.run({A: ("v1", BROKEN)})[0][1] for _ in range(3)] == ["new", "unchanged", "unchanged"]


def test_attempts_count_up_to_the_last_and_then_the_object_is_left_alone(tables):
    changes = [tables.run({A: ("v1", CRASHED)})[0][1] for _ in range(5)]
    assert changes == ["new", "retry", "retry", "unchanged", "unchanged"]
    assert [row["attempts"] for row in tables.ledger()] == [3]


def test_an_object_without_text_is_done(tables):
    tables.run({A: ("v1", [])})
    assert [(row["status"], row["rows"], row["vector"]) for row in tables.ledger()] == [("ok", 0, [0.0] * DIMENSION)]
    assert tables.run({A: ("v1", [])}) == [(A, "unchanged")]


def test_a_long_error_message_is_cut_and_the_object_still_recorded(tables):
    tables.run({A: ("v1", ObjectError("parse", "Damaged", "文" * 5000))})
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


def test_batches_are_bounded_in_rows_and_bytes_and_lose_no_row():
    small = [{"id": str(n), "text": "x"} for n in range(2 * BATCH_ROWS + 1)]
    assert [len(batch) for batch in batched_by_bytes(small)] == [BATCH_ROWS, BATCH_ROWS, 1]
    large = [{"id": str(n), "embedding": np.zeros(1 << 20, np.float32)} for n in range(10)]  # 4 MiB each
    assert [len(batch) for batch in batched_by_bytes(large)] == [3, 3, 3, 1]
    assert [len(batch) for batch in batched_by_bytes([{"id": "1", "embedding": np.zeros(5 << 20, np.float32)}])] == [1]
    assert list(batched_by_bytes([])) == []
