"""Objects whose metadata have changed: their rows get them, keep their vectors, and wherever that is interrupted, the
next run completes it."""

import pytest

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.objects import StoredObject
from ingest.common.owner_values import NOTE, OWNER, SIDECAR, STORED
from ingest.ledger.diff import Change, diff
from ingest.ledger.entries import RELABELLING, read_ledger
from ingest.ledger.relabelling import Relabeller
from writer_tables import FINGERPRINT, ROOT, A, B, C, Calls, many, part

TEXTS = {A: ["a one", "a two"], B: many(12), C: []}


class Store:
    """Objects with the owner's values, when they were stored, and the version of their sidecars."""

    def __init__(self, **owners):
        self.found = {source: ({"tenant": "acme"}, 100, "") for source in TEXTS}
        self.found |= {f"{ROOT}{name}.pdf": value for name, value in owners.items()}
        self.read = []

    def listing(self):
        return [StoredObject(s, "v1", 1, at, sidecar) for s, (_, at, sidecar) in sorted(self.found.items())]

    def owners(self, difference):
        self.read.append(difference["source"])
        values, stored, sidecar = self.found[difference["source"]]
        if isinstance(values, ObjectError):
            raise values
        return {OWNER: values, STORED: stored} | ({SIDECAR: sidecar} if sidecar else {})


def ingested(tables, metadata=True):
    """The objects as a first run leaves them."""
    known = {OWNER: {"tenant": "acme"}, STORED: 100} if metadata else {}
    parts = [part(source, "v1", texts) for source, texts in TEXTS.items()]
    for one in parts:
        one.metadata.update(known)
        for row in one.rows:
            row["metadata"].update({"headings": ["One"], **({OWNER: known[OWNER]} if metadata else {})})
            row["metadata"].update({"date": "1970-01-01T00:01:40Z"} if metadata else {})
    tables.writer().write(parts)


def run(tables, store, client=None, refresh=False):
    """What a run does; returns the changes and the outcome."""
    client = client or tables.client
    known = read_ledger(client, tables.ledger_name, ROOT, "pdfs")
    found = list(diff(store.listing(), known, FINGERPRINT, refresh_metadata=refresh))
    work = [
        {"source": d.source, "version": d.version, "sidecar": d.sidecar} for d in found if d.change is Change.METADATA
    ]
    outcome = Relabeller(client, tables.target(run_id="again"), store.owners).relabel(work)
    return [d.change for d in found], outcome


def state(tables):
    rows = tables.client.query(
        tables.rows_name, filter='id != ""', limit=100, consistency_level="Strong",
        output_fields=["id", "source", "text", "ordinal", "page", "kind", "embedding", "metadata"],
    )  # fmt: skip
    shown = {row["id"]: {**row, "embedding": [round(float(x), 5) for x in row["embedding"]]} for row in rows}
    return shown, {row["source"]: row for row in tables.ledger()}


def test_rows_get_the_new_values_and_keep_everything_else(tables):
    ingested(tables)
    before, ledger = state(tables)
    store = Store(a=({"tenant": "globex", "year": 2026}, 100, "s1"))
    changes, outcome = run(tables, store)
    assert changes == [Change.METADATA, Change.UNCHANGED, Change.UNCHANGED]
    assert (outcome.ok, outcome.rows_written, store.read) == (1, 2, [A])
    after, ledger_after = state(tables)
    for row in before.values():
        if row["source"] == A:
            row["metadata"] = {**row["metadata"], OWNER: {"tenant": "globex", "year": 2026}}
    assert after == before
    assert ledger_after.pop(A) == {
        **ledger.pop(A), "metadata": {"pages": 3, OWNER: {"tenant": "globex", "year": 2026}, STORED: 100, SIDECAR: "s1"}
    }  # fmt: skip
    assert ledger_after == ledger
    assert run(tables, store)[0] == [Change.UNCHANGED] * 3


def test_an_object_that_was_only_written_again_keeps_its_rows_as_they_are_where_they_do_not_say_when(tables):
    ingested(tables)
    with_day = Store(a=({"tenant": "acme", "date": "2026-01-31"}, 100, "s1"))
    run(tables, with_day)
    with_day.found[A] = ({"tenant": "acme", "date": "2026-01-31"}, 200, "s1")
    calls = Calls(tables.client)
    changes, outcome = run(tables, with_day, calls)
    assert (changes[0], outcome.rows_written) == (Change.METADATA, 0)
    assert [call for call in calls.made if call.startswith("upsert")] == ["upsert ledger"]
    assert run(tables, with_day)[0] == [Change.UNCHANGED] * 3


@pytest.mark.parametrize(("before", "after"), [(1, True), (False, 0), (1, 1.0)], ids=str)
def test_values_that_only_python_takes_for_equal_reach_the_rows(tables, before, after):
    ingested(tables)
    run(tables, Store(a=({"flag": before}, 100, "s1")))
    run(tables, Store(a=({"flag": after}, 100, "s2")))
    rows, _ = state(tables)
    assert {repr(row["metadata"][OWNER]["flag"]) for row in rows.values() if row["source"] == A} == {repr(after)}


def test_values_that_are_gone_leave_the_rows(tables):
    ingested(tables)
    run(tables, Store(b=({}, 200, "")))
    rows, _ = state(tables)
    assert {str(row["metadata"]) for row in rows.values() if row["source"] == B} == {
        str({"headings": ["One"], "date": "1970-01-01T00:03:20Z"})
    }


def test_objects_of_before_there_were_metadata_get_them_on_request(tables):
    ingested(tables, metadata=False)
    store = Store()
    assert run(tables, store)[0] == [Change.UNCHANGED] * 3
    changes, outcome = run(tables, store, refresh=True)
    assert (changes, outcome.ok, outcome.rows_written) == ([Change.METADATA] * 3, 3, 14)
    expected = {"headings": ["One"], OWNER: {"tenant": "acme"}, "date": "1970-01-01T00:01:40Z"}
    assert all(row["metadata"] == expected for row in state(tables)[0].values())
    assert run(tables, store, refresh=True)[1].rows_written == 0


def test_an_object_that_cannot_be_read_stays_as_it_is_and_is_tried_again(tables):
    ingested(tables)
    before = state(tables)
    store = Store(a=(ObjectError(Failure.FORBIDDEN, "no"), 200, ""), b=({"tenant": "globex"}, 200, ""))
    _, outcome = run(tables, store)
    assert (outcome.ok, outcome.failed, outcome.failures[0]["source"]) == (1, 1, A)
    after = state(tables)
    assert after[1][A] == before[1][A]
    assert run(tables, store)[0] == [Change.METADATA, Change.UNCHANGED, Change.UNCHANGED]


def test_a_note_about_values_is_reported(tables):
    ingested(tables)
    store = Store(a=({}, 200, ""))
    noted = "of its metadata, not used: a.pdf.json (it is not JSON)"
    reader = Relabeller(tables.client, tables.target(), lambda difference: {NOTE: noted, STORED: 200})
    outcome = reader.relabel([{"source": A, "version": "v1"}])
    assert outcome.partly_read == [{"source": A, "message": noted}]
    assert run(tables, store)[0][0] is Change.UNCHANGED


def test_a_new_version_and_a_failed_object_are_left_alone(tables):
    ingested(tables)
    tables.writer().write([part(C, "v1", ObjectError(Failure.ENCRYPTED, "it needs a password"), Change.CHANGED)])
    before = state(tables)
    work = [{"source": A, "version": "v2"}, {"source": C, "version": "v1"}, {"source": f"{ROOT}x.pdf", "version": "v"}]
    outcome = Relabeller(tables.client, tables.target(), lambda difference: {STORED: 7}).relabel(work)
    assert (outcome.ok, outcome.rows_written, state(tables)) == (0, 0, before)


def test_wherever_it_is_interrupted_the_next_run_completes_it_even_if_the_sidecar_is_as_before(make_tables):
    """The ledger's mark tells that rows may have the values of a sidecar that has its old version again."""
    whole = make_tables()
    ingested(whole)
    before = state(whole)
    changed = Store(a=({"tenant": "globex"}, 100, "s1"), b=({"tenant": "globex"}, 100, "s1"))
    calls = Calls(whole.client)
    run(whole, changed, calls)
    after = state(whole)
    writes = [call for call in calls.made if call.startswith("upsert")]
    assert writes == ["upsert ledger", "upsert rows", "upsert ledger"]

    for last in range(len(calls.made)):
        for store, expected in ((changed, after), (Store(), before)):
            tables = make_tables()
            ingested(tables)
            with pytest.raises(ConnectionError):
                run(tables, changed, Calls(tables.client, last))
            run(tables, store)
            assert state(tables) == expected, f"call {last}: {calls.made[last]}"
            assert RELABELLING not in str(state(tables)[1])
            assert run(tables, store)[0] == [Change.UNCHANGED] * 3
