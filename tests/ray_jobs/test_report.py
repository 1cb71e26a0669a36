"""The report line, which other programs parse, and the summary for a person."""

import json

from ingest.report import PREFIX, Report

FIELDS = {
    "pipeline", "source", "run_id", "fingerprint", "listed", "added", "changed", "unchanged", "deleted", "failed",
    "rows_written", "rows_deleted", "seconds", "stages", "failures",
}  # fmt: skip


def report(**values):
    return Report("pdfs", "s3://bucket/文/", "run-1", "f1", **values)


def failures(count, error_type="Encrypted"):
    return [
        {"source": f"s3://b/{n}.pdf", "stage": "parse", "error_type": error_type, "message": f"message {n}"}
        for n in range(count)
    ]


def test_the_line_is_one_json_object_behind_its_prefix():
    line = report(listed=3, failures=failures(1)).line()
    assert line.startswith(PREFIX)
    assert json.loads(line.removeprefix(PREFIX)) == report(listed=3, failures=failures(1)).as_dict()


def test_the_line_is_one_line_of_ascii():
    failure = {"source": "s3://b/\n文🙂.pdf", "stage": "parse", "error_type": "X", "message": "a\u2028b\x85c"}
    line = report(failures=[failure]).line()
    assert line.isascii()
    assert len(line.splitlines()) == 1


def test_the_names_that_other_programs_rely_on_are_there():
    assert set(report().as_dict()) >= FIELDS


def test_the_summary_counts_reasons_and_shows_one_example_each():
    text = report(listed=9, failed=5, failures=failures(3) + failures(2, "Empty"), seconds=2.0).summary()
    lines = [line.split() for line in text.splitlines() if line.startswith("  failed")]
    assert [line[1:4] for line in lines] == [["3", "x", "Encrypted"], ["2", "x", "Empty"]]
    assert "s3://b/0.pdf: message 0" in text


def test_the_summary_of_a_dry_run_says_that_nothing_was_done():
    assert "2 would be added" in report(added=2, dry_run=True).summary()
    assert "2 added" in report(added=2).summary()


def test_the_summary_stays_short_with_many_reasons():
    many = [failure for n in range(50) for failure in failures(1, f"Type{n}")]
    assert len(report(failures=many, stages={"read": {"seconds": 1.0, "items": 5}}).summary().splitlines()) <= 10
