"""Submission ids: the same attempt always has the same id, different work never shares one."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

from airflow_ray.job_ids import Attempt, attempt_of, clear_epoch

FIRST = Attempt("ingest_pdfs", "scheduled__2026-01-31T00:00:00+00:00", "ingest", -1, epoch=0, try_number=1)


def test_same_attempt_same_id_and_every_field_counts():
    assert replace(FIRST).submission_id == FIRST.submission_id
    others = [
        replace(FIRST, dag_id="ingest-pdfs"),
        replace(FIRST, run_id="manual__1"),
        replace(FIRST, task_id="ingest2"),
        replace(FIRST, map_index=0),
        replace(FIRST, epoch=1),
        replace(FIRST, try_number=2),
        replace(FIRST, prefix="staging"),
        replace(FIRST, run_started="2026-02-01T00:00:01+00:00"),
    ]
    assert len({attempt.submission_id for attempt in [FIRST, *others]}) == len(others) + 1


def test_names_that_differ_only_in_replaced_characters_stay_apart():
    assert replace(FIRST, task_id="a.b").submission_id != replace(FIRST, task_id="a/b").submission_id


def test_only_allowed_characters_and_a_bounded_length():
    odd = replace(FIRST, dag_id="数据/流 水线" * 30, task_id="group.task" * 30, run_id="manual__a/b c")
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,150}", odd.submission_id)


def test_predecessors_are_the_tries_since_the_last_clear_latest_first():
    assert FIRST.predecessors() == []
    assert [each.try_number for each in replace(FIRST, try_number=4).predecessors()] == [3, 2, 1]
    assert [each.try_number for each in replace(FIRST, epoch=2, try_number=4).predecessors()] == [3]


def test_epoch_is_stable_over_retries_and_grows_with_a_clear():
    assert clear_epoch(max_tries=3, retries=3) == 0
    assert clear_epoch(max_tries=2 + 3, retries=3) == 2  # cleared after the second try
    assert clear_epoch(max_tries=1, retries=3) == 0  # retries raised in the Dag since the run was made


def test_a_run_made_again_under_the_same_run_id_is_other_work():
    def context(started: datetime) -> Any:
        ti = SimpleNamespace(dag_id="d", run_id="scheduled__x", task_id="t", map_index=-1, max_tries=2, try_number=1)
        return {"ti": ti, "dag_run": SimpleNamespace(start_date=started)}

    started = datetime(2026, 2, 1, 0, 0, 1, tzinfo=UTC)
    first = attempt_of(context(started), 2, "airflow")
    assert first.submission_id != attempt_of(context(started + timedelta(days=1)), 2, "airflow").submission_id
    elsewhere = started.astimezone(timezone(timedelta(hours=8)))
    assert first.submission_id == attempt_of(context(elsewhere), 2, "airflow").submission_id
