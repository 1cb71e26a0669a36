"""The diff of a run: new, changed, retried, unchanged and missing objects; also checked against dictionaries."""

import random

import pytest

from ingest.common.failures import MAX_ATTEMPTS
from ingest.common.objects import StoredObject
from ingest.ledger.diff import Change, Difference, OnlyFailed, diff, diff_as_listed
from ingest.ledger.entries import LedgerEntry

FINGERPRINT = "f1"


def listed(source, version="v1", size=10):
    return StoredObject(source, version, size)


def known(source, version="v1", fingerprint=FINGERPRINT, ok=True, attempts=1, **more):
    more.setdefault("error_type", "" if ok else "Crashed")
    return LedgerEntry(source, version, fingerprint, ok, attempts, **more)


def only(listing, ledger, **options):
    (difference,) = diff(listing, ledger, FINGERPRINT, **options)
    return difference


def test_an_object_that_is_not_in_the_ledger_is_new():
    assert only([listed("a", size=7)], []) == Difference(Change.NEW, "a", "v1", 7, 0)


@pytest.mark.parametrize("ledger", [[], [known("a")], [known("a", "v0")], [known("a", ok=False)]])
def test_a_difference_has_the_time_of_its_object(ledger):
    assert only([StoredObject("a", "v1", 10, 5.5)], ledger).modified == 5.5


def test_a_permanently_failed_object_is_unchanged_and_marked_as_failed():
    assert only([listed("a")], [known("a", ok=False, attempts=MAX_ATTEMPTS)]).failed
    assert not only([listed("a")], [known("a")]).failed


def test_an_object_at_the_version_and_fingerprint_of_the_ledger_is_unchanged():
    assert only([listed("a")], [known("a")]).change is Change.UNCHANGED


def test_another_version_is_a_change_to_the_listed_version():
    assert only([listed("a", "v2")], [known("a", attempts=2)]) == Difference(Change.CHANGED, "a", "v2", 10, 0)


def test_another_fingerprint_is_a_change():
    assert only([listed("a")], [known("a", fingerprint="f0")]).change is Change.CHANGED


def test_an_object_that_left_the_store_is_missing():
    assert only([], [known("a")]) == Difference(Change.MISSING, "a", "v1", 0, 0)


@pytest.mark.parametrize("attempts", range(1, MAX_ATTEMPTS))
def test_a_failed_object_is_retried_and_keeps_its_attempts(attempts):
    difference = only([listed("a")], [known("a", ok=False, attempts=attempts)])
    assert (difference.change, difference.attempts) == (Change.RETRY, attempts)


def test_a_failed_object_is_not_retried_after_the_last_attempt():
    assert only([listed("a")], [known("a", ok=False, attempts=MAX_ATTEMPTS)]).change is Change.UNCHANGED


@pytest.mark.parametrize("error_type", ["Encrypted", "NotAPdf", "Damaged", "ParserError", "TooManyPages"])
def test_a_failure_caused_by_the_object_itself_is_permanent_at_once(error_type):
    assert only([listed("a")], [known("a", ok=False, error_type=error_type)]).change is Change.UNCHANGED


@pytest.mark.parametrize(
    ("now", "expected"),
    [(99, Change.UNCHANGED), (100, Change.UNCHANGED), (101, Change.RETRY), (None, Change.UNCHANGED)],
)
@pytest.mark.parametrize("error_type", ["TooLarge", "TimeLimit"])
def test_an_object_over_a_limit_is_retried_when_the_limit_is_raised(error_type, now, expected):
    entry = known("a", ok=False, attempts=MAX_ATTEMPTS, error_type=error_type, limit=100)
    difference = only([listed("a")], [entry], limits={} if now is None else {error_type: now, "MemoryLimit": 1e9})
    assert (difference.change, difference.attempts) == (expected, 0 if expected is Change.RETRY else MAX_ATTEMPTS)


def test_a_failed_object_that_changed_has_all_its_attempts_again():
    difference = only([listed("a", "v2")], [known("a", ok=False, attempts=MAX_ATTEMPTS)])
    assert (difference.change, difference.attempts) == (Change.CHANGED, 0)


@pytest.mark.parametrize("ok", [True, False])
def test_a_full_refresh_processes_every_listed_object_and_missing_ones_stay_missing(ok):
    entries = [known("a", ok=ok, attempts=MAX_ATTEMPTS), known("b")]
    changes = [(d.source, d.change, d.attempts) for d in diff([listed("a")], entries, FINGERPRINT, full_refresh=True)]
    assert changes == [("a", Change.CHANGED, 0), ("b", Change.MISSING, 0)]


def test_an_object_with_leftover_old_rows_is_retried_as_the_same_attempt():
    difference = only([listed("a")], [known("a", attempts=2, finished=False)])
    assert (difference.change, difference.attempts) == (Change.RETRY, 1)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (known("a", ok=False, error_type="Encrypted"), (Change.RETRY, 0)),
        (known("a", ok=False, attempts=MAX_ATTEMPTS), (Change.RETRY, 0)),
        (known("a", ok=False, attempts=1), (Change.RETRY, 1)),
        (known("a", ok=False, attempts=2, error_type="Encrypted", finished=False), (Change.RETRY, 0)),
        (known("a", "v0", ok=False, attempts=2), (Change.CHANGED, 0)),
        (known("a", fingerprint="f0", ok=False, attempts=2), (Change.CHANGED, 0)),
        (known("a"), (Change.UNCHANGED, 1)),
        (known("a", finished=False), (Change.SKIPPED, 0)),
        (known("a", "v0"), (Change.SKIPPED, 0)),
    ],
)
def test_a_run_for_failed_objects_processes_those_with_any_failure_and_no_others(entry, expected):
    difference = only([listed("a")], [entry], only_failed=OnlyFailed())
    assert (difference.change, difference.attempts) == expected


def test_a_run_for_failed_objects_skips_new_ones_and_ignores_missing_ones():
    listing, ledger = [listed("new")], [known("gone"), known("gone-too", ok=False)]
    assert [d.change for d in diff(listing, ledger, FINGERPRINT, only_failed=OnlyFailed())] == [Change.SKIPPED]


@pytest.mark.parametrize("reason", ["Encrypted", "parse/Encrypted"])
def test_a_run_for_one_reason_skips_failures_with_other_reasons(reason):
    ledger = [
        known("a", ok=False, stage="parse", error_type="Encrypted"),
        known("b", ok=False, stage="parse", error_type="Damaged"),
        known("c", ok=False, stage="parse", error_type="Crashed"),
        known("d", ok=False, stage="read", error_type="Encrypted"),
    ]
    chosen = OnlyFailed(reason)
    changes = [d.change for d in diff(map(listed, "abcd"), ledger, FINGERPRINT, only_failed=chosen)]
    last = Change.RETRY if reason == "Encrypted" else Change.UNCHANGED
    assert changes == [Change.RETRY, Change.UNCHANGED, Change.SKIPPED, last]
    assert chosen.seen == {"parse/Encrypted": 1, "parse/Damaged": 1, "parse/Crashed": 1, "read/Encrypted": 1}


@pytest.mark.parametrize("sources", [["b", "a"], ["a", "a"], ["é", "z"]])
def test_a_listing_out_of_order_is_refused(sources):
    with pytest.raises(ValueError, match="listing is out of order"):
        list(diff([listed(source) for source in sources], [], FINGERPRINT))


def test_a_ledger_out_of_order_is_refused():
    with pytest.raises(ValueError, match="ledger is out of order"):
        list(diff([], [known("b"), known("a")], FINGERPRINT))


def test_order_is_by_code_point_and_not_by_locale_or_utf_16():
    sources = ["A", "Z", "a", "z", "é", "文", "\uffee", "🙂"]
    changes = [d.change for d in diff(map(listed, sources), map(known, sources), FINGERPRINT)]
    assert changes == [Change.UNCHANGED] * len(sources)


def test_both_streams_are_read_one_entry_at_a_time():
    read = []

    def stream(make, name):
        for number in range(1000):
            read.append(name)
            yield make(f"{number:04}")

    differences = diff(stream(listed, "listing"), stream(known, "ledger"), FINGERPRINT)
    for _ in range(10):
        next(differences)
    assert max(read.count("listing"), read.count("ledger")) <= 12


def oracle(listing, ledger, full_refresh):
    """The same answer from two dictionaries."""
    store, entries = {o.source: o for o in listing}, {e.source: e for e in ledger}
    expected = []
    for source in sorted(store.keys() | entries.keys()):
        stored, entry = store.get(source), entries.get(source)
        if stored is None:
            change = "missing"
        elif entry is None:
            change = "new"
        elif full_refresh or (entry.version, entry.fingerprint) != (stored.version, FINGERPRINT):
            change = "changed"
        elif not entry.ok and entry.attempts < MAX_ATTEMPTS:
            change = "retry"
        else:
            change = "unchanged"
        expected.append((source, change))
    return expected


@pytest.mark.parametrize("seed", range(200))
def test_random_listings_and_ledgers_give_the_same_result_as_dictionaries(seed):
    chance = random.Random(seed)
    names = sorted({"".join(chance.choices("ab/%文🙂", k=chance.randint(1, 4))) for _ in range(chance.randint(0, 60))})
    versions, prints = ["v1", "v2"], [FINGERPRINT, "f0"]
    listing = [listed(name, chance.choice(versions)) for name in names if chance.random() < 0.7]
    ledger = [
        known(name, chance.choice(versions), chance.choice(prints), chance.random() < 0.6, chance.randint(1, 4))
        for name in names
        if chance.random() < 0.7
    ]
    full_refresh = chance.random() < 0.2
    got = [(d.source, str(d.change)) for d in diff(listing, ledger, FINGERPRINT, full_refresh)]
    assert got == oracle(listing, ledger, full_refresh)


@pytest.mark.parametrize("seed", range(200))
def test_a_listing_in_two_ascending_sequences_gives_the_same_differences(seed):
    chance = random.Random(seed)
    names = [f"{number:03}" for number in range(60)]
    listing = [listed(name) for name in names if chance.random() < 0.7]
    ledger = [known(name, chance.choice(["v1", "v2"])) for name in names if chance.random() < 0.7]
    first = chance.choice([[], listing, [entry for entry in listing if chance.random() < 0.5]])
    later = [entry for entry in listing if entry not in first]
    got = list(diff_as_listed([*first, *later], ledger, FINGERPRINT))
    assert sorted((d.source, str(d.change)) for d in got) == oracle(listing, ledger, False)
    sources = [d.source for d in got if d.change is not Change.MISSING]
    assert sources == [entry.source for entry in [*first, *later]]
    assert all(d.change is not Change.MISSING for d in got[: len(first)])


def test_an_object_is_compared_before_the_listing_is_over():
    def listing():
        yield listed("a")
        yield listed("c")
        raise ConnectionError("the store is away")

    differences = diff_as_listed(listing(), [known("a"), known("b")], FINGERPRINT)
    assert [next(differences).change for _ in range(2)] == [Change.UNCHANGED, Change.NEW]
    with pytest.raises(ConnectionError):
        next(differences)


def test_a_listing_in_three_sequences_is_refused():
    with pytest.raises(ValueError, match="listing is out of order"):
        list(diff_as_listed([listed("b"), listed("a"), listed("a")], [], FINGERPRINT))


def test_a_run_for_failed_objects_counts_each_failure_once_in_a_listing_of_two_sequences():
    only_failed = OnlyFailed()
    ledger = [known("a", ok=False), known("b", ok=False), known("c", ok=False)]
    got = list(diff_as_listed([listed("c"), listed("a")], ledger, FINGERPRINT, only_failed=only_failed))
    assert [(d.source, d.change) for d in got] == [("c", Change.RETRY), ("a", Change.RETRY)]
    assert only_failed.seen.total() == 2
