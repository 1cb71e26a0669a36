"""What a parser can do to the process that runs it, and that it costs one file."""

import contextlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import psutil
import pymupdf
import pytest

from embedded.processes import base_environment, poll
from ingest.common.errors import JobError, ObjectError
from ingest.common.limits import Limits
from ingest.common.sandbox import Sandbox
from ingest.pdf.chunking import ChunkSettings
from ingest.pdf.document import Document, DocumentSettings, prepare, read_document

HERE = Path(__file__).parent
MEGABYTE = 1_000_000
CHUNKS = ChunkSettings(200, 0)


@pytest.fixture(scope="module", autouse=True)
def importable():
    """The child imports by name, as it does in a Ray worker, whose `sys.path` it gets."""
    sys.path.insert(0, str(HERE))
    yield
    sys.path.remove(str(HERE))


@pytest.fixture(scope="module")
def bad():
    import misbehaviour

    return misbehaviour


@pytest.fixture(scope="module")
def sandbox(bad):
    with Sandbox(bad.keep, Limits(seconds=60, memory_bytes=500 * MEGABYTE), "kept") as sandbox:
        yield sandbox


def failure(sandbox, function, *args):
    with pytest.raises(ObjectError) as caught:
        sandbox.run(function, *args)
    assert caught.value.failure.stage == "parse"
    assert "\n" not in caught.value.message
    return caught.value


def test_results_come_back_from_one_child_that_is_kept(sandbox, bad):
    assert sandbox.run(bad.echo, b"x" * MEGABYTE) == b"x" * MEGABYTE
    assert len({sandbox.run(bad.process) for _ in range(3)} - {os.getpid()}) == 1


@pytest.mark.parametrize(
    ("name", "args", "error_type", "words"),
    [
        ("segfault", (), "Crashed", "SIGSEGV"),
        ("leave", (), "Crashed", "exit code 7"),
        ("allocate", (50_000 * MEGABYTE,), "MemoryLimit", "500 MB"),
        ("exit_politely", (), "ParserError", "SystemExit: done"),
        ("interrupt", (), "ParserError", "KeyboardInterrupt"),
        ("raise_something_without_words", (), "ParserError", "Silent: no text"),
        ("give_what_cannot_be_sent", (), "ParserError", "cannot be sent"),
        ("give_more_than_memory_holds", (), "MemoryLimit", "500 MB"),
        ("raise_something_that_cannot_be_sent", (), "ParserError", "Local: only here"),
    ],
)
def test_what_kills_a_parser_costs_one_file_and_the_next_one_is_parsed(sandbox, bad, name, args, error_type, words):
    error = failure(sandbox, getattr(bad, name), *args)
    assert (error.failure, words in error.message) == (error_type, True), error.message
    assert sandbox.run(bad.kept) == "kept"  # a new child was prepared like the first


def test_a_result_too_large_to_hand_on_costs_one_file(bad):
    with Sandbox(bad.keep, Limits(memory_bytes=3000 * MEGABYTE), "kept") as sandbox:
        assert failure(sandbox, bad.give_too_much).failure == "TooMuchText"


@pytest.mark.parametrize("name", ["loop_in_python", "loop_in_c"])
def test_a_parser_that_never_ends_costs_its_time_limit(bad, name):
    with Sandbox(bad.keep, Limits(seconds=1), "kept") as sandbox:
        error = failure(sandbox, getattr(bad, name))
        assert (error.failure, error.limit) == ("TimeLimit", 1)
        assert "--max-object-seconds" in error.message
        assert sandbox.run(bad.kept) == "kept"


def test_a_parser_that_shows_progress_is_given_its_time_limit_anew(bad):
    with Sandbox(bad.keep, Limits(seconds=2), "kept") as sandbox:
        assert sandbox.run(bad.work_in_steps, 4, 1) == 4


def test_a_parser_that_stops_getting_further_costs_its_time_limit(bad):
    with Sandbox(bad.keep, Limits(seconds=1), "kept") as sandbox:
        assert failure(sandbox, bad.begin_and_never_end).failure == "TimeLimit"
        assert sandbox.run(bad.kept) == "kept"


def killing(path, times):
    """A thread that kills the child at work so many times; each tells its number in the file at `path`."""

    def kill():
        killed = set()
        while len(killed) < times:
            poll(lambda: path.exists() and path.read_text() not in {"", *killed}, 60, "the child works")
            number = path.read_text()
            os.kill(int(number), signal.SIGKILL)
            killed.add(number)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_a_file_whose_child_is_killed_is_parsed_by_the_next_one(sandbox, bad, tmp_path):
    thread = killing(tmp_path / "pid", 1)
    assert sandbox.run(bad.wait_for_second_try, str(tmp_path / "pid")) == "done"
    thread.join()


def test_a_file_whose_child_is_killed_twice_has_crashed_it(sandbox, bad, tmp_path):
    thread = killing(tmp_path / "pid", 2)
    error = failure(sandbox, bad.wait_for_ever, str(tmp_path / "pid"))
    thread.join()
    assert (error.failure, "SIGKILL" in error.message) == ("Crashed", True)
    assert sandbox.run(bad.echo, 1) == 1


def test_a_child_that_is_killed_while_it_is_idle_costs_no_file(sandbox, bad):
    os.kill(sandbox.run(bad.process), signal.SIGKILL)
    assert sandbox.run(bad.echo, 1) == 1


@pytest.mark.chaos
def test_no_moment_of_a_kill_makes_it_wait_for_ever(bad):
    """The library that was here before lost about one call in a hundred kills."""
    done = threading.Event()
    moments = random.Random(1)

    def kill():
        while not done.wait(moments.uniform(0, 1.5)):
            for child in multiprocessing.active_children():
                with contextlib.suppress(ProcessLookupError):
                    child.kill()

    with Sandbox(bad.keep, Limits(seconds=60), "kept" * MEGABYTE) as sandbox:
        thread = threading.Thread(target=kill)
        thread.start()
        deadline, answers = time.monotonic() + 30, 0
        while time.monotonic() < deadline:
            with contextlib.suppress(JobError, ObjectError):
                answers += len(sandbox.run(bad.kept)) == 4 * MEGABYTE
        done.set()
        thread.join()
        assert answers
        assert sandbox.run(bad.echo, 1) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_the_child_dies_with_its_parent(tmp_path):
    path = tmp_path / "pid"
    parent = subprocess.Popen(
        [sys.executable, str(HERE / "misbehaviour.py"), str(path)],
        env={**base_environment(), "PYTHONPATH": f"{HERE.parents[2] / 'ray_jobs'}{os.pathsep}{HERE}"},
    )
    poll(lambda: path.exists() and path.read_text(), 60, "the child works")
    child = psutil.Process(int(path.read_text()))
    parent.kill()
    parent.wait()
    poll(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 30, "the child ends")


def test_a_child_that_cannot_start_is_nobodys_fault(bad):
    with pytest.raises(JobError, match="no process can be started"):
        Sandbox(bad.leave, Limits())


# --- PDFs made to hurt


@pytest.fixture(scope="module")
def documents(minilm_path):
    """The sandbox of the pipeline."""
    tokenizer = (Path(minilm_path) / "tokenizer.json").read_text()
    limits = Limits(seconds=120, memory_bytes=1500 * MEGABYTE, pages=20_000)
    with Sandbox(prepare, limits, tokenizer) as sandbox:
        yield lambda data, pages=limits.pages: sandbox.run(read_document, data, DocumentSettings(CHUNKS, pages))


def raw_pdf(*objects):
    """A PDF of numbered objects, without a cross-reference table: MuPDF repairs that."""
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, text) for number, text in enumerate(objects, 1))
    return b"%PDF-1.7\n" + body + b"trailer\n<< /Root 1 0 R >>\n%%EOF\n"


def stream(data):
    packed = zlib.compress(data, 9)
    return b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed)


FONT = b"/Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R " + FONT + b" >>"


def test_a_good_pdf_has_its_chunks_and_pages(documents):
    with pymupdf.open() as document:
        for number in (1, 2):
            document.new_page().insert_text((72, 100), f"This is page {number}.")
        found = documents(document.tobytes())
    assert isinstance(found, Document)
    assert ([(chunk.page, chunk.text) for chunk in found.chunks], found.pages) == (
        [(1, "This is page 1."), (2, "This is page 2.")],
        2,
    )


def test_a_hundred_thousand_pages_are_too_many_and_the_limit_is_named(documents):
    kids = b" ".join(b"%d 0 R" % number for number in range(5, 100_005))
    data = raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 100000 /Kids [" + kids + b"] >>",
        b"<< >>",
        stream(b"BT /F 12 Tf 72 700 Td (again) Tj ET"),
        *[PAGE] * 100_000,
    )
    with pytest.raises(ObjectError) as caught:
        documents(data)
    assert (caught.value.failure, caught.value.limit) == ("TooManyPages", 20_000)
    assert "100000 pages" in caught.value.message


def test_a_stream_that_inflates_a_thousandfold_costs_one_file(documents):
    text = stream(b"BT /F 1 Tf 1 0 0 1 1 1 Tm (x) Tj ET\n" * 3_000_000)
    data = raw_pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", PAGE, text)
    assert len(text) < MEGABYTE
    with contextlib.suppress(ObjectError):  # what it is called depends on which limit is met first
        assert documents(data).pages == 1
    next_one = stream(b"BT /F 12 Tf 72 700 Td (next) Tj ET")
    data = raw_pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", PAGE, next_one)
    assert [chunk.text for chunk in documents(data).chunks] == ["next"]


@pytest.mark.parametrize("kids", [b"[2 0 R]", b"[2 0 R 2 0 R 3 0 R]", b"[" + b"[" * 5000 + b"]" * 5000 + b"]"])
def test_a_page_tree_that_goes_round_in_circles_ends(documents, kids):
    data = raw_pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 9 /Kids " + kids + b" >>", PAGE,
                   stream(b"BT ET"))  # fmt: skip
    try:
        assert documents(data).pages >= 1
    except ObjectError as error:
        assert error.failure in ("NoPages", "Damaged", "NotAPdf"), error


def test_every_bad_file_of_the_corpus_ends_with_a_reason_for_its_owner(documents, corpus):
    reasons = {}
    for file in sorted((corpus / "bad" / "pdf").iterdir()):
        try:
            documents(file.read_bytes())
        except ObjectError as error:
            reasons[file.name] = error
    assert reasons
    for name, error in reasons.items():
        assert error.failure.stage == "parse", name
        assert error.failure in (
            "Empty", "NotAPdf", "Encrypted", "NoPages", "Damaged", "TimeLimit", "MemoryLimit", "Crashed"
        ), f"{name}: {error}"  # fmt: skip
        assert 10 < len(error.message) <= 500, name
