"""Each object of a listing comes with its sidecar, in the order of the listing, whatever names come between."""

import random
from itertools import pairwise

import pytest

from ingest.common.objects import StoredObject
from ingest.store import sidecars
from ingest.store.listing import Ignored, as_it_comes
from ingest.store.object_store import normalise_source
from ingest.store.sidecars import list_with_sidecars, with_sidecars


def never(source):
    raise AssertionError(f"the store is asked for {source}")


def entries(names):
    return [StoredObject(name, f"v-{name}", len(name)) for name in names]


def paired(names, find=never):
    """The objects with their sidecars, and the first of the ignored ones with their number."""
    ignored = Ignored()
    found = [(entry.source, entry.sidecar) for entry in with_sidecars(entries(names), find, ignored)]
    return found, (ignored.count, ignored.first)


def test_an_object_has_the_version_and_the_size_of_its_sidecar():
    (entry,) = with_sidecars(entries(["a.pdf", "a.pdf.json"]), never, Ignored())
    assert entry == StoredObject("a.pdf", "v-a.pdf", 5, 0.0, "v-a.pdf.json", 10)


def test_names_between_an_object_and_its_sidecar_keep_their_order():
    names = ["a.pdf", "a.pdf-old.pdf", "a.pdf-old.pdf.json", "a.pdf.bak.pdf", "a.pdf.json", "b.pdf"]
    assert paired(names)[0] == [
        ("a.pdf", "v-a.pdf.json"),
        ("a.pdf-old.pdf", "v-a.pdf-old.pdf.json"),
        ("a.pdf.bak.pdf", ""),
        ("b.pdf", ""),
    ]


def test_a_sidecar_without_an_object_is_ignored_and_so_is_one_in_another_case():
    assert paired(["a.pdf.json", "b.pdf", "b.pdf.JSON"]) == ([("b.pdf", "")], (2, "a.pdf.json"))


def test_an_object_comes_as_soon_as_its_sidecar_cannot_come_any_more():
    def endless():
        for number in range(10**9):
            yield StoredObject(f"{number:09}.pdf", "v", 1)

    coming = with_sidecars(endless(), never, Ignored())
    assert [next(coming).source for _ in range(3)] == [f"{number:09}.pdf" for number in range(3)]


def test_when_many_wait_the_store_is_asked_so_that_memory_does_not_grow(monkeypatch):
    monkeypatch.setattr(sidecars, "MAX_WAITING", 3)
    asked = []

    def find(source):
        asked.append(source)
        return StoredObject(source, "found", 7)

    names = ["a.pdf", *(f"a.pdf-pages/{number}.pdf" for number in range(9)), "b.pdf"]
    found, _ = paired(names, find)
    assert found == [("a.pdf", "found"), *((name, "") for name in names[1:])]
    assert asked == ["a.pdf.json"]


@pytest.mark.parametrize("seed", range(200))
def test_a_listing_in_one_sequence_or_two_gives_every_object_its_sidecar(seed):
    chance = random.Random(seed)
    folders = ["", *chance.sample(["a.pdf-", "a.pdf-b/", "a/", "a-/", "a.pdf/"], 3)]
    names = {f"{folder}{letter}.pdf" for folder in folders for letter in "abc" if chance.random() < 0.8}
    with_one = {name for name in names if chance.random() < 0.5}
    listing = names | {f"{name}.json" for name in with_one}
    # As SeaweedFS lists, where no file has the name of a folder: folder by folder, each with its entries in order.
    by_folder = sorted(listing - {name for name in listing if "a.pdf/" in name}, key=lambda name: name.split("/"))
    for order in (sorted(listing), by_folder):
        ignored = Ignored()
        found = list(with_sidecars(as_it_comes(entries(order)), never, ignored))
        assert {entry.source: entry.sidecar for entry in found} == {
            name: f"v-{name}.json" if name in with_one else "" for name in names.intersection(order)
        }
        sources = [entry.source for entry in found]
        descents = sum(one >= other for one, other in pairwise(sources))
        assert (len(sources), ignored.count) == (len(set(sources)), 0)
        assert descents <= (order == by_folder)


def listed(stub, source="s3://bucket/day/", **settings):
    ignored = Ignored()
    found = {
        entry.source.rpartition("/")[2]: (entry.sidecar, entry.sidecar_size)
        for entry in list_with_sidecars(source, (".pdf",), ignored, **settings)
    }
    return found, ignored.count


def test_sidecars_are_no_ignored_objects(s3_stub):
    s3_stub.reset()
    for name in ("a.pdf", "a.pdf.json", "b.PDF", "b.PDF.json", "notes.json", "c.pdf.json"):
        s3_stub.put(f"day/{name}")
    etag = s3_stub.objects["day/a.pdf"].etag.strip('"')
    assert listed(s3_stub) == ({"a.pdf": (etag, 7), "b.PDF": (etag, 7)}, 2)


def test_a_store_that_is_asked_for_one_sidecar_answers(s3_stub, monkeypatch):
    monkeypatch.setattr(sidecars, "MAX_WAITING", 1)
    s3_stub.reset()
    for name in ("a.pdf", "a.pdf-1.pdf", "a.pdf-2.pdf", "a.pdf.json", "a.pdf.jsonl"):
        s3_stub.put(f"day/{name}")
    found, _ = listed(s3_stub)
    assert [name for name, (sidecar, _) in found.items() if sidecar] == ["a.pdf"]


def test_a_bucket_without_an_order_is_sorted_first(s3_stub, monkeypatch):
    monkeypatch.setattr(sidecars, "UNSORTED", "bucket")
    s3_stub.reset()
    for name in ("a.pdf", "b.pdf", "a.pdf.json"):
        s3_stub.put(f"day/{name}")
    s3_stub.order = lambda key: key.replace("a.pdf.json", "z")
    found, _ = listed(s3_stub, order=as_it_comes)
    assert [name for name, (sidecar, _) in found.items() if sidecar] == ["a.pdf"]


def test_files_have_sidecars_too_and_so_has_a_single_one(tmp_path):
    for name in ("a.pdf", "a.pdf.json", "b.pdf"):
        (tmp_path / name).write_text("{}")
    for source in (tmp_path, tmp_path / "a.pdf"):
        found = {
            entry.source.rpartition("/")[2]: entry.sidecar_size
            for entry in list_with_sidecars(normalise_source(str(source)), (".pdf",), Ignored())
        }
        assert found == ({"a.pdf": 2, "b.pdf": 0} if source == tmp_path else {"a.pdf": 2})
