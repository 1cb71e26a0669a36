"""The demo as the end-to-end test: schedule, backfill and form ingest real files, and searches answer.

`tests/test_demo.py` tests it as a program.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from embedded.exhibits import batches, questions
from ray_ingest.job_scripts import COLLECTIONS


def test_every_question_is_answered_by_its_place(stage: Any) -> None:
    answers = re.findall(r"^Q: (.+?)   \(in (\w+)\)\nA: (.+)$", stage.demo_output, re.MULTILINE)
    assert [(text, kind) for text, kind, _ in answers] == [(question.text, question.kind) for question in questions()]
    assert all(question.file in place for question, (_, _, place) in zip(questions(), answers, strict=True))


def test_schedule_backfill_and_form_ingest_each_file_once(stage: Any) -> None:
    """Yesterday's partition by the schedule, past days by a backfill, a prefix again by the form: all green."""
    output = stage.demo_output
    assert "Traceback" not in output
    today = datetime.now(UTC).date()  # of its end: where midnight came since its start, its days are one earlier
    planned = next(
        found
        for found in (batches(today - timedelta(days=1)), batches(today - timedelta(days=2)))
        if found[0].name in output
    )
    for batch in planned:
        files = len(batch.files)
        added, unchanged = (0, files) if batch.is_repeated else (files, 0)
        # listed, added, changed, unchanged, deleted, failed
        row = rf"^{re.escape(batch.name)} +{files} +{added} +0 +{unchanged} +0 +0 "
        assert re.search(row, output, re.MULTILINE), output
    ingested = sum(len(batch.files) for batch in planned if not batch.is_repeated)
    assert f"and all {len(planned)} runs in Airflow succeeded" in output
    assert re.search(rf"^sources +{ingested} *$", output, re.MULTILINE), output


def test_the_note_of_each_run_has_its_counts(stage: Any) -> None:
    notes = {
        run["run_type"]: run["note"]
        for dag_id in ("ingest_pdfs", "ingest_images", "ingest_videos")
        for run in stage.airflow.runs(dag_id)
        if run["state"] == "success"
    }
    assert {"scheduled", "backfill", "manual"} <= notes.keys()
    assert [note for note in notes.values() if not re.match(r"ingest: .*\d+ (added|unchanged)", note or "")] == []


def test_the_assets_know_their_last_run_its_models_and_the_latest_complete_day(stage: Any) -> None:
    """What people and pages read without Milvus, through Airflow's API."""
    for pipeline, collections in COLLECTIONS.items():
        scheduled = [run["partition_key"] for run in stage.airflow.runs(f"ingest_{pipeline}", "scheduled")]
        reports = [report for report in stage.metrics.demo_reports if report["pipeline"] == pipeline]
        for name in collections:
            state = stage.metrics.demo_states[name]
            (report,) = [each for each in reports if each["run_id"] == state["last_run"]["run_id"]]
            assert state["last_run"] == {key: report[key] for key in state["last_run"]}
            assert state["last_run"].keys() >= {"models", "unmigrated", "listed", "rows_written"}
            assert state["last_run"]["models"].keys() == set(collections)
            assert state["last_complete_day"] == max(scheduled)
