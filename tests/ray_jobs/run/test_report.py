"""The REPORT line, which other programs parse, and the summary for people."""

import json

from ingest.run.report import REPORT_PREFIX, Report

FIELDS = {
    "pipeline", "source", "run_id", "fingerprint", "listed", "added", "changed", "unchanged", "deleted", "failed",
    "rows_written", "rows_deleted", "seconds", "stages", "failures",
}  # fmt: skip


def report(**values):
    return Report(pipeline="pdfs", source="s3://bucket/文/", run_id="run-1", fingerprint="f1", **values)


def failures(count, error_type="Encrypted"):
    return [
        {"source": f"s3://b/{n}.pdf", "stage": "parse", "error_type": error_type, "message": f"message {n}"}
        for n in range(count)
    ]


def test_the_line_is_one_json_object_after_its_prefix():
    line = report(listed=3, failures=failures(1)).line()
    assert line.startswith(REPORT_PREFIX)
    assert json.loads(line.removeprefix(REPORT_PREFIX)) == report(listed=3, failures=failures(1)).as_dict()


def test_the_line_is_one_line_of_ascii():
    failure = {"source": "s3://b/\n文🙂.pdf", "stage": "parse", "error_type": "X", "message": "a\u2028b\x85c"}
    line = report(failures=[failure]).line()
    assert line.isascii()
    assert len(line.splitlines()) == 1


def test_the_keys_that_other_programs_rely_on_exist():
    assert set(report().as_dict()) >= FIELDS


def group(count, error_type="Encrypted", source="s3://b/0.pdf"):
    example = {"source": source, "stage": "parse", "error_type": error_type, "message": "message 0"}
    return {"stage": "parse", "error_type": error_type, "count": count, "example": example}


def test_the_summary_counts_reasons_over_all_failures_and_shows_one_example_each():
    text = report(listed=9000, failed=5000, failure_counts=[group(3000), group(2000, "Empty")], seconds=2.0).summary()
    lines = [line.split() for line in text.splitlines() if line.startswith("  failed")]
    assert [line[1:4] for line in lines] == [["3000", "x", "Encrypted"], ["2000", "x", "Empty"]]
    assert "s3://b/0.pdf: message 0" in text


def test_a_name_with_a_line_break_does_not_break_the_summary():
    text = report(failed=1, failure_counts=[group(1, source="s3://b/a\n  failed 9 x.pdf")]).summary()
    assert len([line for line in text.splitlines() if line.startswith("  failed")]) == 1


def test_the_summary_shows_seconds_and_speed_of_each_stage():
    stages = {"read": {"seconds": 2.0, "items": 5}, "start": {"seconds": 1.5, "items": 0}}
    assert "read 2.0 s (2.5/s), start 1.5 s" in report(stages=stages).summary()


def test_the_summary_counts_earlier_failures_remaining_kept_ignored_and_empty_objects():
    text = report(listed=9, unchanged=5, added=2, failed_before=3, empty=1, kept=4, ignored=6).summary()
    assert "2 left for another run, 3 unchanged ones had failed before" in text
    assert "4 missing ones kept; ignored by name: 6" in text
    assert "1 objects have no rows" in text


def test_the_summary_names_a_file_that_was_read_in_part():
    entry = {"source": "s3://b/a.mp4", "message": "it is cut off at 3 s of 9 s"}
    text = report(partly=4, partly_read=[entry]).summary()
    assert "  partly   4 read in part, e.g. s3://b/a.mp4: it is cut off" in text


def test_the_summary_of_a_dry_run_is_in_the_conditional():
    assert "2 would be added" in report(added=2, dry_run=True).summary()
    assert "2 added" in report(added=2).summary()


def test_the_summary_stays_short_with_many_reasons_and_counts_the_rest():
    many = [group(100 - n, f"Type{n}") for n in range(50)]
    lines = report(failure_counts=many, stages={"read": {"seconds": 1.0, "items": 5}}).summary().splitlines()
    assert len(lines) <= 10
    assert lines[-1].split()[1:] == [str(sum(100 - n for n in range(5, 50))), "x", "for", "45", "other", "reasons"]
