"""RayOperator in a real Airflow against a real Ray head: results, logs, failures, kills."""

import time
from pathlib import Path
from typing import Any

import pytest

from embedded.processes import poll


@pytest.mark.parametrize("case", ["case_deferred", "case_sync"])
def test_result_log_and_link(stage: Any, case: str):
    run_id = stage.start(case, "ok", "40")
    stage.airflow.wait_run(case, run_id)
    assert stage.airflow.xcom(case, run_id, "job") == {"pipeline": "behave", "listed": 40}
    log = stage.airflow.task_log(case, run_id, "job")
    assert [line for line in log if line.startswith("line ")] == [f"line {n} of the job" for n in range(40)]
    (job,) = stage.jobs_of(run_id)
    assert job["status"] == "SUCCEEDED"
    assert job["submission_id"] == stage.submission_id(case, run_id)
    assert job["metadata"]["airflow_dag_id"] == case
    links = stage.airflow.api("GET", f"/dags/{case}/dagRuns/{run_id}/taskInstances/job/links")["extra_links"]
    assert links["Ray job"] == f"{stage.ray.dashboard_url}/#/jobs/{job['submission_id']}"


def test_link_works_while_the_job_runs_and_the_log_is_live(stage: Any):
    run_id = stage.start("case_deferred", "sleep", "12")
    submission_id = stage.submission_id("case_deferred", run_id)
    stage.wait_state("case_deferred", run_id, "deferred")
    links = stage.airflow.api("GET", f"/dags/case_deferred/dagRuns/{run_id}/taskInstances/job/links")["extra_links"]
    assert links["Ray job"].endswith(submission_id)
    until = time.monotonic() + 30
    while "the job sleeps" not in stage.airflow.task_log("case_deferred", run_id, "job"):
        assert stage.job(submission_id)["status"] in ("PENDING", "RUNNING"), "the log came only after the end"
        assert time.monotonic() < until
        time.sleep(0.3)
    assert stage.airflow.wait_run("case_deferred", run_id)["state"] == "success"


def test_the_report_is_on_the_asset_event(stage: Any):
    run_id = stage.start("case_deferred", "ok", "7")
    stage.airflow.wait_run("case_deferred", run_id)
    events = stage.airflow.api("GET", "/assets/events?source_dag_id=case_deferred&limit=100")["asset_events"]
    (extra,) = [event["extra"] for event in events if event["source_run_id"] == run_id]
    assert extra["listed"] == 7


@pytest.mark.parametrize("case", ["case_deferred", "case_sync"])
def test_a_failure_is_one_sentence_after_the_last_lines(stage: Any, case: str):
    task, log = stage.finish(case, "exit", "2", "the flag --source is missing")
    assert task["state"] == "failed"
    assert "(configuration, exit code 2): the flag --source is missing. Correct the arguments" in log
    assert "about to fail" in log


def test_final_failures_are_not_retried_and_passing_ones_are(stage: Any, tmp_path: Path):
    task, _ = stage.finish("case_retries", "exit", "3", "too many bad files")
    assert (task["state"], task["try_number"]) == ("failed", 1)
    task, _ = stage.finish("case_retries", "once", str(tmp_path / "marker"))
    assert (task["state"], task["try_number"]) == ("success", 2)


def test_an_unforeseen_exception_shows_its_traceback(stage: Any):
    task, log = stage.finish("case_sync", "raise")
    assert task["state"] == "failed"
    assert "RuntimeError: something nobody foresaw" in log
    assert "(job_error, exit code 1)" in log


@pytest.mark.parametrize("case", ["case_deferred", "case_sync"])
def test_a_report_that_airflow_cannot_store_as_it_is(stage: Any, case: str):
    run_id = stage.start(
        case, "report", r'{"big": 123456789012345678901234567890, "text": "\ud800 \u0000", "loss": NaN}'
    )
    assert stage.airflow.wait_run(case, run_id)["state"] == "success"
    report = stage.airflow.xcom(case, run_id, "job")
    assert report == {"big": "123456789012345678901234567890", "text": "� �", "loss": None}


@pytest.mark.chaos
def test_a_job_that_prints_faster_than_its_log_is_shown(stage: Any):
    run_id = stage.start("case_deferred", "many", "10000", "910")
    assert stage.airflow.wait_run("case_deferred", run_id, 400)["state"] == "success"
    assert [line.split()[1].rstrip("x") for line in stage.lines("case_deferred", run_id)] == [
        str(number) for number in range(10_000)
    ]


def test_long_lines_are_cut_and_nothing_is_lost(stage: Any):
    run_id = stage.start("case_deferred", "long")
    stage.airflow.wait_run("case_deferred", run_id)
    assert stage.airflow.xcom("case_deferred", run_id, "job")["listed"] == 3
    log = stage.airflow.task_log("case_deferred", run_id, "job")
    assert max(len(line) for line in log) < 100_000
    assert any("more characters in the job's own log" in line for line in log)


@pytest.mark.parametrize(("case", "state"), [("case_deferred", "deferred"), ("case_sync", "running")])
def test_marking_a_running_task_failed_stops_its_job(stage: Any, case: str, state: str):
    run_id = stage.start(case, "sleep", "300")
    submission_id = stage.submission_id(case, run_id)
    stage.wait_state(case, run_id, state)
    stage.wait_job(submission_id, "RUNNING")
    if state == "deferred":
        stage.wait_watched(case, run_id)
    stage.mark_failed(case, run_id)
    stage.wait_job(submission_id, "STOPPED")


@pytest.mark.parametrize("case", ["case_deferred", "case_unwatched"])
def test_a_cleared_task_runs_afresh_and_its_old_job_stops(stage: Any, case: str, tmp_path: Path):
    end = tmp_path / "end"
    run_id = stage.start(case, "until", str(end))
    first = stage.submission_id(case, run_id)
    stage.wait_state(case, run_id, "deferred")
    stage.wait_job(first, "RUNNING")
    body = {"dry_run": False, "dag_run_id": run_id, "task_ids": ["job"], "only_failed": False, "reset_dag_runs": True}
    stage.airflow.api("POST", f"/dags/{case}/clearTaskInstances", body)
    stage.wait_job(first, "STOPPED")
    jobs = poll(lambda: (found := stage.jobs_of(run_id))[1:] and found, 60, "no second job", interval=0.5)
    (second,) = [job["submission_id"] for job in jobs if job["submission_id"] != first]
    stage.wait_job(second, "RUNNING")
    end.touch()
    stage.mark_failed(case, run_id)


def test_a_run_that_is_deleted_and_made_again_has_its_work_done_again(stage: Any):
    def run(*behave: str) -> str:
        body = {"logical_date": None, "dag_run_id": "made_twice", "conf": {"behave": list(behave)}}
        stage.airflow.api("POST", "/dags/case_deferred/dagRuns", body)
        return str(stage.airflow.wait_run("case_deferred", "made_twice")["state"])

    stage.airflow.wait_dag("case_deferred")
    stage.airflow.unpause("case_deferred")
    assert run("exit", "1", "broken") == "failed"
    stage.airflow.api("DELETE", "/dags/case_deferred/dagRuns/made_twice")
    assert run("ok", "3") == "success"
    assert stage.airflow.xcom("case_deferred", "made_twice", "job")["listed"] == 3
    assert len(stage.jobs_of("made_twice")) == 2


def test_detached_jobs_outlive_their_task(stage: Any):
    run_id = stage.start("case_detached", "sleep", "20")
    submission_id = stage.submission_id("case_detached", run_id)
    stage.wait_state("case_detached", run_id, "deferred")
    stage.mark_failed("case_detached", run_id)
    stage.wait_job(submission_id, "SUCCEEDED")


@pytest.mark.parametrize(("case", "seconds"), [("case_timeout", 15), ("case_timeout_sync", 10)])
def test_execution_timeout_counts_the_deferred_time_and_stops_the_job(stage: Any, case: str, seconds: int):
    task, log = stage.finish(case, "sleep", "300")
    assert task["state"] == "failed"
    assert f"(timeout): it ran into the task's execution_timeout of {seconds} s and was stopped" in log
    (job,) = stage.jobs_of(task["dag_run_id"])
    assert job["status"] == "STOPPED"


def test_an_unreachable_ray_is_one_clear_sentence(stage: Any):
    task, log = stage.finish("case_nowhere", "ok")
    assert task["state"] == "failed"
    assert "Failed (ray_unreachable): Cannot reach Ray at http://127.0.0.1:" in log
    assert "(connection 'ray_nowhere')" in log


def test_a_wrong_token_fails_at_once_and_stays_secret(stage: Any):
    task, log = stage.finish("case_wrong_token", "ok")
    assert (task["state"], task["try_number"]) == ("failed", 1)
    assert "refused the token (HTTP 403)" in log
    assert "Failed (ray_authentication): " in log
    assert "token-of-the-test" not in log


@pytest.mark.parametrize(("keep_days", "state"), [(1, "success"), (0.5, "failed")])
def test_the_cleanup_keeps_what_is_young(stage: Any, keep_days: float, state: str):
    stage.airflow.wait_dag("case_cleanup")
    stage.airflow.unpause("case_cleanup")
    run_id = stage.airflow.trigger("case_cleanup", {"keep_days": keep_days})["dag_run_id"]
    assert stage.airflow.wait_run("case_cleanup", run_id)["state"] == state
    if state == "success":
        assert stage.airflow.xcom("case_cleanup", run_id, "job")["deleted"] == 0
    else:
        log = "\n".join(stage.airflow.task_log("case_cleanup", run_id, "job"))
        assert "keep_days must be a number of at least 1, not '0.5'" in log
