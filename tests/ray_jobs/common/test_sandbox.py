"""A parser that misbehaves costs one file, not the process that runs it."""

import contextlib
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
from ingest.common.sandbox_child import PARSER_NICENESS
from ingest.pdf.chunking import ChunkSettings
from ingest.pdf.document import Document, DocumentSettings, prepare_documents, read_document

pytestmark = pytest.mark.tier("parts")  # each parser is a process, and some end at a time limit

HERE = Path(__file__).parent
MEGABYTE = 1_000_000
CHUNKS = ChunkSettings(200, 0)


@pytest.fixture(scope="module", autouse=True)
def importable():
    """The child imports by name, with the `sys.path` of its parent, as it does in a Ray worker."""
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


def test_a_parser_gives_way_to_the_models(sandbox):
    assert sandbox.run(os.nice, 0) == os.nice(0) + PARSER_NICENESS


def failure(sandbox, function, *args):
    with pytest.raises(ObjectError) as caught:
        sandbox.run(function, *args)
    assert caught.value.failure.stage == "parse"
    assert "\n" not in caught.value.message
    return caught.value


def test_one_child_returns_all_results(sandbox, bad):
    assert sandbox.run(bad.echo, b"x" * MEGABYTE) == b"x" * MEGABYTE
    assert len({sandbox.run(bad.process) for _ in range(3)} - {os.getpid()}) == 1


@pytest.mark.parametrize(
    ("name", "args", "error_type", "words"),
    [
        ("segfault", (), "Crashed", "SIGSEGV"),
        ("exit_at_once", (), "Crashed", "exit code 7"),
        ("allocate", (50_000 * MEGABYTE,), "MemoryLimit", "500 MB"),
        ("raise_system_exit", (), "ParserError", "SystemExit: done"),
        ("raise_keyboard_interrupt", (), "ParserError", "KeyboardInterrupt"),
        ("raise_an_error_without_text", (), "ParserError", "Silent: no text"),
        ("return_an_unpicklable_result", (), "ParserError", "cannot be sent"),
        ("return_more_than_the_memory_holds", (), "MemoryLimit", "500 MB"),
        ("raise_an_unpicklable_error", (), "ParserError", "Local: only here"),
    ],
)
def test_a_misbehaving_parser_costs_one_file_and_the_next_file_is_parsed(sandbox, bad, name, args, error_type, words):
    error = failure(sandbox, getattr(bad, name), *args)
    assert (error.failure, words in error.message) == (error_type, True), error.message
    assert sandbox.run(bad.kept) == "kept"  # a new child is prepared like the first


def test_no_other_file_meets_what_a_lack_of_memory_left_behind(sandbox, bad):
    """OpenVINO goes on after it, and gives the results of an earlier page."""
    first = sandbox.run(bad.process)
    assert failure(sandbox, bad.allocate, 50_000 * MEGABYTE).failure == "MemoryLimit"
    assert sandbox.run(bad.process) != first


def test_no_file_fails_as_an_earlier_one_left_too_little_memory(sandbox, bad):
    sandbox.run(bad.leave_behind, 300 * MEGABYTE)
    assert sandbox.run(bad.allocate, 300 * MEGABYTE) == 300 * MEGABYTE


def test_work_of_bounded_memory_has_no_limit_and_what_follows_has(sandbox, bad):
    assert sandbox.run(bad.allocate_unlimited, 600 * MEGABYTE) == 600 * MEGABYTE
    assert failure(sandbox, bad.allocate, 600 * MEGABYTE).failure == "MemoryLimit"


def test_what_work_of_bounded_memory_leaves_behind_does_not_count(sandbox, bad):
    child = sandbox.run(bad.process)
    sandbox.run(bad.leave_behind_unlimited, 400 * MEGABYTE)
    assert sandbox.run(bad.allocate, 400 * MEGABYTE) == 400 * MEGABYTE
    assert sandbox.run(bad.process) == child


def test_a_node_that_limits_addresses_keeps_its_limit():
    """As `ulimit -v` does: a child's limit may not exceed it."""
    code = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_AS, (8 * 10**9, 8 * 10**9))\n"
        "import misbehaviour\n"
        "from ingest.common.limits import Limits\n"
        "from ingest.common.sandbox import Sandbox\n"
        "with Sandbox(misbehaviour.keep, Limits(memory_bytes=50 * 10**9), 'kept') as sandbox:\n"
        "    print(sandbox.run(misbehaviour.kept))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout == "kept\n", done.stderr


def test_a_result_that_is_too_large_costs_one_file(bad):
    with Sandbox(bad.keep, Limits(memory_bytes=3000 * MEGABYTE), "kept") as sandbox:
        assert failure(sandbox, bad.return_too_much).failure == "TooMuchText"


@pytest.mark.parametrize("name", ["loop_in_python", "loop_in_c"])
def test_a_parser_that_never_ends_costs_its_time_limit(bad, name):
    with Sandbox(bad.keep, Limits(seconds=1), "kept") as sandbox:
        error = failure(sandbox, getattr(bad, name))
        assert (error.failure, error.limit) == ("TimeLimit", 1)
        assert "--max-object-seconds" in error.message
        assert sandbox.run(bad.kept) == "kept"


def test_progress_restarts_the_time_limit_of_a_parser(bad):
    with Sandbox(bad.keep, Limits(seconds=2), "kept") as sandbox:
        assert sandbox.run(bad.work_in_steps, 4, 1) == 4


def test_a_parser_without_further_progress_costs_its_time_limit(bad):
    with Sandbox(bad.keep, Limits(seconds=1), "kept") as sandbox:
        assert failure(sandbox, bad.report_progress_once_and_never_end).failure == "TimeLimit"
        assert sandbox.run(bad.kept) == "kept"


def killing(path, times):
    """Start a thread that kills `times` children at work; each child writes its process id to the file at `path`."""

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


def test_a_file_whose_child_is_killed_is_parsed_by_the_next_child(sandbox, bad, tmp_path):
    thread = killing(tmp_path / "pid", 1)
    assert sandbox.run(bad.wait_for_second_try, str(tmp_path / "pid")) == "done"
    thread.join()


def test_a_file_whose_child_is_killed_twice_has_crashed_the_parser(sandbox, bad, tmp_path):
    thread = killing(tmp_path / "pid", 2)
    error = failure(sandbox, bad.wait_for_ever, str(tmp_path / "pid"))
    thread.join()
    assert (error.failure, "SIGKILL" in error.message) == ("Crashed", True)
    assert sandbox.run(bad.echo, 1) == 1


def test_killing_an_idle_child_costs_no_file(sandbox, bad):
    os.kill(sandbox.run(bad.process), signal.SIGKILL)
    assert sandbox.run(bad.echo, 1) == 1


@pytest.mark.chaos
def test_a_kill_at_any_moment_never_hangs_the_sandbox(bad):
    """The library that this sandbox replaced lost about one call per hundred kills."""
    done = threading.Event()
    moments = random.Random(1)

    def kill():
        while not done.wait(moments.uniform(0, 1.5)):
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.NoSuchProcess):
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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has prctl")
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


def test_a_child_that_cannot_start_fails_the_run_and_no_object(bad):
    with pytest.raises(JobError, match="no process can be started"):
        Sandbox(bad.exit_at_once, Limits())


# --- hostile PDFs


@pytest.fixture(scope="module")
def documents(minilm_path):
    """Parse PDFs in the sandbox, as the pipeline does."""
    tokenizer = (Path(minilm_path) / "tokenizer.json").read_text()
    limits = Limits(seconds=120, memory_bytes=1500 * MEGABYTE, pages=20_000)
    with Sandbox(prepare_documents, limits, tokenizer) as sandbox:
        yield lambda data, pages=limits.pages: sandbox.run(read_document, data, DocumentSettings(CHUNKS, pages))


def raw_pdf(*objects):
    """A PDF of numbered objects without a cross-reference table, which MuPDF repairs."""
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, text) for number, text in enumerate(objects, 1))
    return b"%PDF-1.7\n" + body + b"trailer\n<< /Root 1 0 R >>\n%%EOF\n"


def stream(data):
    packed = zlib.compress(data, 9)
    return b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed)


FONT = b"/Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R " + FONT + b" >>"


def test_a_good_pdf_gives_its_chunks_and_pages(documents):
    with pymupdf.open() as document:
        for number in (1, 2):
            document.new_page().insert_text((72, 100), f"This is page {number}.")
        found = documents(document.tobytes())
    assert isinstance(found, Document)
    assert ([(chunk.page, chunk.text) for chunk in found.chunks], found.pages) == (
        [(1, "This is page 1."), (2, "This is page 2.")],
        2,
    )


def test_thirty_thousand_pages_are_too_many_and_the_error_names_the_limit(documents):
    kids = b" ".join(b"%d 0 R" % number for number in range(5, 30_005))
    data = raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 30000 /Kids [" + kids + b"] >>",
        b"<< >>",
        stream(b"BT /F 12 Tf 72 700 Td (again) Tj ET"),
        *[PAGE] * 30_000,
    )
    with pytest.raises(ObjectError) as caught:
        documents(data)
    assert (caught.value.failure, caught.value.limit) == ("TooManyPages", 20_000)
    assert "30000 pages" in caught.value.message


@pytest.mark.nightly  # 5 s; others of this module exceed each limit too
def test_a_stream_that_inflates_a_thousandfold_costs_one_file(documents):
    text = stream(b"BT /F 1 Tf 1 0 0 1 1 1 Tm (x) Tj ET\n" * 1_000_000)
    data = raw_pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", PAGE, text)
    assert len(text) < MEGABYTE
    with contextlib.suppress(ObjectError):  # the failure depends on the limit that is exceeded first
        assert documents(data).pages == 1
    next_one = stream(b"BT /F 12 Tf 72 700 Td (next) Tj ET")
    data = raw_pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", PAGE, next_one)
    assert [chunk.text for chunk in documents(data).chunks] == ["next"]


@pytest.mark.parametrize("kids", [b"[2 0 R]", b"[2 0 R 2 0 R 3 0 R]", b"[" + b"[" * 5000 + b"]" * 5000 + b"]"])
def test_a_circular_page_tree_ends(documents, kids):
    data = raw_pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 9 /Kids " + kids + b" >>", PAGE,
                   stream(b"BT ET"))  # fmt: skip
    try:
        assert documents(data).pages >= 1
    except ObjectError as error:
        assert error.failure in ("NoPages", "Damaged", "NotAPdf"), error


def test_every_bad_file_of_the_corpus_fails_with_a_reason_for_its_owner(documents, corpus):
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
