"""The pages of a long document are shared among readers, whatever becomes of each of them."""

import json
import threading
from contextlib import contextmanager
from functools import partial

import pyarrow as pa
import pytest

from ingest.common.errors import JobError, ObjectError
from ingest.common.failures import Failure
from ingest.common.limits import Limits
from ingest.common.sandbox import Sandbox
from ingest.common.slots import take_slot
from ingest.ledger.work_list import DIFFERENCE_SCHEMA
from ingest.pdf.chunking import ChunkSettings
from ingest.pdf.document import DocumentSettings
from ingest.pdf.shared_document import Begun, begin_document, prepare_reader, read_pages
from ingest.stages import pdfs
from ingest.stages.pdfs import ParseSettings, parse_documents
from ingest.stages.shared_ranges import NodeReaders, read_remaining
from ingest.store.local_files import file_version
from ingest.store.object_reading import ReadSettings
from long_pdf import Every, KillOnce, long_pdf, tokenizer_json

SETTINGS = DocumentSettings(ChunkSettings(60, 0), 100, ocr=False)
LIMITS = Limits(seconds=60)
children = pytest.mark.tier("parts")  # each reader is a process


def begun(count, unit_seconds=1000.0):
    """A document whose first page is read; the pages of a range are its numbers, as text."""
    return Begun(b"1 ", 1, count, unit_seconds, 0, [])


def read(pages, most=1000):
    """Reads at most so many pages of a range."""
    numbers = range(pages.first, pages.last + 1)[:most]
    return len(numbers), b"".join(b"%d " % number for number in numbers)


def nobody(_):
    return []


class Recruits:
    """Gives out one reader, the first time that any is wanted, and keeps the numbers of readers that were wanted."""

    def __init__(self, reader):
        self.waiting, self.wanted = [reader], []

    def __call__(self, wanted):
        self.wanted.append(wanted)
        found, self.waiting = (self.waiting, []) if wanted > 0 else ([], self.waiting)
        return found


@contextmanager
def reader(function):
    yield function


def all_pages(count):
    return b"".join(b"%d " % number for number in range(1, count + 1))


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_without_another_reader_the_task_reads_all_pages_by_itself(most):
    assert b"".join(read_remaining(begun(300), partial(read, most=most), nobody)) == all_pages(300)


@pytest.mark.parametrize("most", [1, 1000])
def test_two_readers_read_every_page_once_and_their_ranges_are_put_in_order(most):
    both = threading.Barrier(2)
    counts = {"own": 0, "other": 0}

    def counted(name, pages):
        if not counts[name]:
            both.wait(60)
        counts[name] += 1
        return read(pages, most)

    recruits = Recruits(reader(partial(counted, "other")))
    assert b"".join(read_remaining(begun(200), partial(counted, "own"), recruits)) == all_pages(200)
    assert min(counts.values()) > 0


@pytest.mark.parametrize(("seconds", "readers"), [(1.0, 4), (0.25, 1), (0.1, 0)])
def test_no_more_readers_are_wanted_than_the_rest_is_worth(seconds, readers):
    recruits = Recruits(reader(read))
    read_remaining(begun(33, seconds), read, recruits)
    assert recruits.wanted[0] == readers


def test_a_range_that_fails_fails_the_document_and_no_other_range_begins():
    failed = threading.Event()
    taken = []

    def fail(_):
        failed.set()
        raise ObjectError(Failure.CRASHED, "the file crashed its parser")

    def wait(pages):
        taken.append(pages)
        failed.wait(60)
        return read(pages, 1)

    with pytest.raises(ObjectError, match="crashed its parser"):
        read_remaining(begun(1000), wait, Recruits(reader(fail)))
    assert len(taken) <= 2  # one may begin before the failure is known


def test_a_reader_that_cannot_go_on_leaves_its_range_to_the_others():
    lost = threading.Event()

    def lose(_):
        lost.set()
        raise JobError("no process can be started")

    def wait(pages):
        lost.wait(60)
        return read(pages)

    assert b"".join(read_remaining(begun(20), wait, Recruits(reader(lose)))) == all_pages(20)


def test_the_task_ends_if_its_own_reader_cannot_go_on():
    def lose(_):
        raise JobError("no process can be started")

    with pytest.raises(JobError):
        read_remaining(begun(20), lose, nobody)


def test_a_slot_is_held_once_and_given_back():
    name = f"test-{threading.get_native_id()}"
    first, second = take_slot(name, 2), take_slot(name, 2)
    assert take_slot(name, 2) is None
    first.close()
    third = take_slot(name, 2)
    assert third is not None
    second.close()
    third.close()
    assert take_slot(name, 0) is None


# --- with real readers


@children
def test_a_range_whose_child_is_killed_is_read_again(tmp_path):
    path = tmp_path / "long.pdf"
    path.write_bytes(long_pdf())
    started = begin_document(path.read_bytes(), SETTINGS, Every(1))
    pages = started.range(2, 3)
    with Sandbox(prepare_reader, LIMITS) as sandbox:
        count, killed = sandbox.run(read_pages, str(path), pages, SETTINGS, KillOnce(tmp_path / "killed"))
    assert (tmp_path / "killed").exists()
    assert count == 1
    assert len(killed) == len(read_pages(str(path), pages, SETTINGS, Every(1))[1])


def test_a_range_is_no_shorter_than_its_opening_is_worth():
    taken = []

    def keep(pages):
        taken.append(pages.last - pages.first + 1)
        return read(pages)

    read_remaining(begun(1000, unit_seconds=0.01), keep, nobody)
    assert min(taken[:-1]) == 200


@pytest.fixture
def parse_child():
    """Ends the child that the parse stage keeps from task to task."""
    yield
    pdfs._sandbox(tokenizer_json(), LIMITS).close()
    pdfs._sandbox.cache_clear()


@children
@pytest.mark.nightly
@pytest.mark.parametrize("slots", [0, 3])
def test_the_parse_stage_gives_the_same_rows_with_and_without_cuts(tmp_path, monkeypatch, parse_child, slots):
    path = tmp_path / "long.pdf"
    path.write_bytes(long_pdf())
    block = pa.Table.from_pylist(
        [
            {"source": f"file://{path}", "version": file_version(path.stat()), "size": path.stat().st_size,
             "attempts": 0, "change": "new"}
        ],
        DIFFERENCE_SCHEMA,
    )  # fmt: skip
    settings = ParseSettings(SETTINGS, ReadSettings(), LIMITS)

    def parsed():
        (table,) = parse_documents(block, tokenizer_json(), settings, lambda *_: None)
        return table

    whole = parsed()
    monkeypatch.setattr(pdfs, "begin_document", partial(begin_document, cut=Every(1)))
    monkeypatch.setattr(pdfs, "reader_slots", lambda: (slots, {}))
    for name in ("SHARED_SECONDS", "LEAST_SECONDS"):
        monkeypatch.setattr(f"ingest.stages.shared_ranges.{name}", 1e-6)
    used = []
    monkeypatch.setattr(NodeReaders, "read", _counted(NodeReaders.read, used, max(1, slots)))
    assert parsed().equals(whole)
    assert json.loads(whole["metadata"][0].as_py())["pages"] == 15
    assert len(used) == max(1, slots)  # the task has a slot too


def _counted(function, used, readers):
    """Calls `function` when every reader is there: otherwise the first one would read all pages meanwhile."""
    everyone = threading.Barrier(readers)

    def read(self, sandbox, pages):
        if sandbox not in used:
            used.append(sandbox)
            everyone.wait(60)
        return function(self, sandbox, pages)

    return read
