"""The objects of a block are read in threads: each failure is that of one object, until the store does not answer."""

import pytest

from ingest.common.errors import ObjectError, UnreachableError
from ingest.stages.prefetch import prefetch
from ingest.store import s3_reading
from ingest.store.object_reading import ReadSettings
from ingest.store.object_store import list_objects
from ingest.store.probe import probe_of

SOURCE = "s3://bucket/day/"


@pytest.fixture
def stub(s3_stub, monkeypatch):
    monkeypatch.setattr(s3_reading, "READ_ATTEMPTS", 1)
    s3_stub.reset()
    probe_of.cache_clear()
    for number in range(20):
        s3_stub.put(f"day/{number:02}.pdf", b"%d" % number)
    return s3_stub


def outcomes():
    """What became of each object, by its name."""
    entries = [
        {"source": entry.source, "version": entry.version, "size": entry.size} for entry in list_objects(SOURCE, ())
    ]
    found = {}
    for entry, data in prefetch(entries, ReadSettings((SOURCE,), 1000), lambda *_: None):
        name = entry["source"].removeprefix(SOURCE)
        try:
            found[name] = data().decode()
        except ObjectError as error:
            found[name] = f"{error.failure.stage}/{error.failure}"
    return found


def test_every_object_of_a_block_has_its_own_outcome(stub):
    stub.put("day/04.pdf", fault=(400, "InvalidRequest", "stored using a form of Server Side Encryption"))
    stub.put("day/08.pdf", fault=(500, "InternalError", "no"))
    stub.put("day/12.pdf", fault="break")
    stub.put("day/16.pdf", fault=(403, "InvalidObjectState", "no"))
    stub.put("day/17.pdf", bytes(1001))
    found = outcomes()
    assert {name: outcome for name, outcome in found.items() if "/" in outcome} == {
        "04.pdf": "read/Forbidden", "08.pdf": "read/Unreadable", "12.pdf": "read/Unreadable",
        "16.pdf": "read/Archived", "17.pdf": "read/TooLarge",
    }  # fmt: skip
    assert sum(outcome.isdecimal() for outcome in found.values()) == 15


def test_a_store_that_dies_within_a_block_ends_the_run(stub):
    def dying(key):
        if key.endswith("10.pdf"):
            for found in stub.objects.values():
                found.fault = (503, "ServiceUnavailable", "no")

    stub.before_get = dying
    with pytest.raises(UnreachableError):
        outcomes()
