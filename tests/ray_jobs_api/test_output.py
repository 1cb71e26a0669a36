"""Reading a job's output: lines once over reconnects, the last report, the error sentence, the last lines."""

import json

import pytest

from ray_jobs_api.job_output import OutputDigest, parse_report
from ray_jobs_api.log_lines import MAX_LINE_LENGTH, LineSplitter

LOG = "first\nsecond 数据\nprogress 1%\rprogress 2%\n\nlast without a break"


def pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def test_lines_do_not_depend_on_the_pieces():
    for size in range(1, len(LOG) + 1):
        splitter = LineSplitter()
        lines = [line for piece in pieces(LOG, size) for line in splitter.feed(piece)] + splitter.flush()
        assert lines == LOG.split("\n")


def test_a_reconnect_at_any_point_repeats_and_loses_nothing():
    for broken_at in range(len(LOG) + 1):
        splitter = LineSplitter()
        lines = splitter.feed(LOG[:broken_at])
        splitter.reconnected()
        lines += [line for piece in pieces(LOG, 3) for line in splitter.feed(piece)] + splitter.flush()
        assert lines == LOG.split("\n")


def test_another_process_continues_at_the_offset():
    first = LineSplitter()
    assert first.feed("one\ntwo\nthr") == ["one", "two"]
    assert LineSplitter(first.offset).feed("one\ntwo\nthree\n") == ["three"]


def test_long_lines_are_cut_and_counted_and_a_reconnect_still_fits():
    splitter = LineSplitter()
    big = "x" * 3_000_000
    (line,) = [each for piece in pieces(big + "\n", 20_000) for each in splitter.feed(piece)]
    assert len(line) < MAX_LINE_LENGTH + 100
    assert f"{len(big) + 1 - MAX_LINE_LENGTH} more characters" in line
    splitter.reconnected()
    assert splitter.feed(big + "\nnext\n") == ["next"]


def test_a_long_report_stays_whole():
    line = "REPORT " + json.dumps({"failures": [{"message": "m" * 500}] * 100})
    assert LineSplitter().feed(line + "\n") == [line]


def test_the_last_report_counts_and_damaged_ones_do_not():
    digest = OutputDigest().add_all(
        ['REPORT {"listed": 1}', "text", 'REPORT {"listed": 2}', "REPORT {broken", 'REPORT ["no object"]']
    )
    assert digest.report == {"listed": 2}
    assert parse_report("a REPORT {}") is None


def test_error_sentence_and_tail():
    digest = OutputDigest().add_all(
        [f"line {number}" for number in range(100)] + ["ERROR: no bucket b", "REPORT {}", "bye"]
    )
    assert digest.error == "no bucket b"
    assert len(digest.tail) == 30
    assert digest.tail[-2:] == ["ERROR: no bucket b", "bye"]


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (["ERROR: ours"], "ours"),
        (["ERROR: ours", "", "(a word of Ray's at its end)"], "ours"),
        (["ERROR: ours", "pdfs s3://b/ in 1 s", "  objects 3", "  rows 0", "  failed 3", "REPORT {}"], "ours"),
        (["ERROR: pip's resolver does not", "one", "two", "three"], None),
        (["ERROR: pip's resolver does not", *["line"] * 100, "REPORT {}"], None),
        (["ERROR: retrying", "Traceback (most recent call last):", "ValueError: x"], None),
        (["ERROR: pip's", *["line"] * 100, "ERROR: ours"], "ours"),
        (["\x1b[31mERROR: coloured"], None),
        (["ERROR: \x1b[31mours\x1b[0m"], "ours"),
        (["WARNING: ERROR: x", "ERROR:x", " ERROR: x"], None),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_an_error_counts_only_as_the_last_word_of_a_job(lines, error):
    assert OutputDigest().add_all(["first", *lines]).error == error
