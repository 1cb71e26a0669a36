"""RayOperator in a real Airflow against a real Ray head: results, logs, failures, kills."""

from pathlib import Path
from typing import Any

import pytest

from embedded.processes import poll

SYNC = pytest.param("case_sync", marks=pytest.mark.nightly)
BOTH = pytest.mark.parametrize("case", ["case_deferred", SYNC])


def begins(case: str, *behave: str) -> pytest.MarkDecorator:
    """The test's run is one of a case, with this behaviour; `{end}` is the path of fixture `end`."""
    return pytest.mark.begins(lambda stage, end: stage.start(case, *(word.format(end=end) for word in behave)))


def each_begins(*behave: str) -> pytest.MarkDecorator:
    """The same for the test's parameter `case`."""
    return pytest.mark.begins(lambda stage, end, case: stage.start(case, *(word.format(end=end) for word in behave)))


@each_begins("until", "{end}")
@BOTH
def test_log_and_link_are_live_and_result_and_asset_event_complete(stage: Any, case: str, begun: str, end: Path):
    run_id = begun
    submission_id = stage.submission_id(case, run_id)
    poll(lambda: stage.lines(case, run_id), 60, "no line of the running job", interval=0.3)
    assert stage.job(submission_id)["status"] == "RUNNING"
    links = stage.airflow.api("GET", f"/dags/{case}/dagRuns/{run_id}/taskInstances/job/links")["extra_links"]
    assert links["Ray job"] == f"{stage.ray.dashboard_url}/#/jobs/{submission_id}"
    end.touch()
    stage.airflow.wait_run(case, run_id)
    report = stage.airflow.xcom(case, run_id, "job")
    assert report["pipeline"] == "behave"
    assert stage.lines(case, run_id) == [f"line {n} of the job" for n in range(report["listed"])]
    (job,) = stage.jobs_of(run_id)
    assert (job["status"], job["submission_id"]) == ("SUCCEEDED", submission_id)
    assert job["metadata"]["airflow_dag_id"] == case
    events = stage.airflow.api("GET", f"/assets/events?source_dag_id={case}&limit=100")["asset_events"]
    assert [event["extra"] for event in events if event["source_run_id"] == run_id] == [report]


@each_begins("exit", "2", "the flag --source is missing")
@pytest.mark.parametrize("case", ["case_retries", SYNC])
def test_a_final_failure_is_one_sentence_after_the_last_lines_and_is_not_retried(stage: Any, case: str, begun: str):
    task, log = stage.finished(case, begun)
    assert (task["state"], task["try_number"]) == ("failed", 1)
    assert "(configuration, exit code 2): the flag --source is missing. Correct the arguments" in log
    assert "about to fail" in log


@begins("case_retries", "once", "{end}")
def test_a_failure_that_may_pass_is_retried(stage: Any, begun: str):
    task, _ = stage.finished("case_retries", begun)
    assert (task["state"], task["try_number"]) == ("success", 2)


REAL_SCRIPT = ("--source", "/tmp", "--milvus-uri", "http://127.0.0.1:1", "--embedding-model", "/no/such/model")


@pytest.mark.nightly
@begins("case_real_script", *REAL_SCRIPT)
def test_bad_arguments_of_a_real_script_fail_at_once_with_its_own_sentence(stage: Any, begun: str):
    task, log = stage.finished("case_real_script", begun)
    assert (task["state"], task["try_number"]) == ("failed", 1)
    (sentence,) = [line for line in log.splitlines() if " failed (configuration, exit code 2): " in line]
    assert "--embedding-model '/no/such/model'" in sentence


@pytest.mark.nightly
@begins("case_sync", "raise")
def test_an_unforeseen_exception_shows_its_traceback(stage: Any, begun: str):
    task, log = stage.finished("case_sync", begun)
    assert task["state"] == "failed"
    assert "RuntimeError: something nobody foresaw" in log
    assert "(job_error, exit code 1)" in log


ODD_REPORT = r'{"big": 123456789012345678901234567890, "text": "\ud800 \u0000", "loss": NaN}'


@pytest.mark.nightly
@pytest.mark.begins(lambda stage, case: stage.start(case, "report", ODD_REPORT))
@BOTH
def test_a_report_that_airflow_cannot_store_as_it_is(stage: Any, case: str, begun: str):
    assert stage.airflow.wait_run(case, begun)["state"] == "success"
    report = stage.airflow.xcom(case, begun, "job")
    assert report == {"big": "123456789012345678901234567890", "text": "� �", "loss": None}


@pytest.mark.chaos
def test_a_job_that_prints_faster_than_its_log_is_shown(stage: Any):
    run_id = stage.start("case_deferred", "many", "10000", "910")
    assert stage.airflow.wait_run("case_deferred", run_id, 400)["state"] == "success"
    assert [line.split()[1].rstrip("x") for line in stage.lines("case_deferred", run_id)] == [
        str(number) for number in range(10_000)
    ]


@pytest.mark.nightly
@begins("case_deferred", "long")
def test_long_lines_are_cut_and_nothing_is_lost(stage: Any, begun: str):
    stage.airflow.wait_run("case_deferred", begun)
    assert stage.airflow.xcom("case_deferred", begun, "job")["listed"] == 3
    log = stage.airflow.task_log("case_deferred", begun, "job")
    assert max(len(line) for line in log) < 100_000
    assert any("more characters in the job's own log" in line for line in log)


@each_begins("sleep", "600")
@pytest.mark.parametrize(
    ("case", "state"),
    [("case_deferred", "deferred"), pytest.param("case_sync", "running", marks=pytest.mark.nightly)],
)
def test_marking_a_running_task_failed_stops_its_job(stage: Any, case: str, state: str, begun: str):
    run_id = begun
    submission_id = stage.submission_id(case, run_id)
    stage.wait_state(case, run_id, state)
    stage.wait_job(submission_id, "RUNNING")
    if state == "deferred":
        stage.wait_watched(case, run_id)
    stage.mark_failed(case, run_id)
    stage.wait_job(submission_id, "STOPPED")


@each_begins("until", "{end}")
@pytest.mark.parametrize("case", ["case_deferred", pytest.param("case_unwatched", marks=pytest.mark.nightly)])
def test_a_cleared_task_runs_afresh_and_its_old_job_stops(stage: Any, case: str, begun: str, end: Path):
    run_id = begun
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


def made_twice(stage: Any, *behave: str) -> str:
    body = {"logical_date": None, "dag_run_id": "made_twice", "conf": {"behave": list(behave)}}
    stage.open("case_deferred")
    return str(stage.airflow.api("POST", "/dags/case_deferred/dagRuns", body)["dag_run_id"])


@pytest.mark.nightly
@pytest.mark.begins(lambda stage: made_twice(stage, "exit", "1", "broken"))
def test_a_run_that_is_deleted_and_made_again_has_its_work_done_again(stage: Any, begun: str):
    assert stage.airflow.wait_run("case_deferred", begun)["state"] == "failed"
    stage.airflow.api("DELETE", f"/dags/case_deferred/dagRuns/{begun}")
    made_twice(stage, "ok", "3")
    assert stage.airflow.wait_run("case_deferred", begun)["state"] == "success"
    assert stage.airflow.xcom("case_deferred", begun, "job")["listed"] == 3
    assert len(stage.jobs_of(begun)) == 2


@pytest.mark.nightly
@begins("case_detached", "until", "{end}")
def test_detached_jobs_outlive_their_task(stage: Any, begun: str, end: Path):
    submission_id = stage.submission_id("case_detached", begun)
    stage.wait_state("case_detached", begun, "deferred")
    stage.mark_failed("case_detached", begun)
    stage.airflow.wait_run("case_detached", begun)
    end.touch()
    stage.wait_job(submission_id, "SUCCEEDED")


@each_begins("sleep", "600")
@pytest.mark.parametrize("case", ["case_timeout", pytest.param("case_timeout_sync", marks=pytest.mark.nightly)])
def test_execution_timeout_counts_the_deferred_time_and_stops_the_job(stage: Any, case: str, begun: str):
    task, log = stage.finished(case, begun)
    assert task["state"] == "failed"
    assert "(timeout): it ran into the task's execution_timeout of 30 s and was stopped" in log
    (job,) = stage.jobs_of(task["dag_run_id"])
    assert job["status"] == "STOPPED"


@begins("case_nowhere", "ok")
def test_an_unreachable_ray_is_one_clear_sentence(stage: Any, begun: str):
    task, log = stage.finished("case_nowhere", begun)
    assert task["state"] == "failed"
    assert "Failed (ray_unreachable): Cannot reach Ray at http://127.0.0.1:" in log
    assert "(connection 'ray_nowhere')" in log


@begins("case_wrong_token", "ok")
def test_a_wrong_token_fails_at_once_and_stays_secret(stage: Any, begun: str):
    task, log = stage.finished("case_wrong_token", begun)
    assert (task["state"], task["try_number"]) == ("failed", 1)
    assert "refused the token (HTTP 403)" in log
    assert "Failed (ray_authentication): " in log
    assert "token-of-the-test" not in log


@pytest.mark.begins(lambda stage, keep_days: stage.trigger("case_cleanup", {"keep_days": keep_days}))
@pytest.mark.parametrize(
    ("keep_days", "state"), [(1, "success"), pytest.param(0.5, "failed", marks=pytest.mark.nightly)]
)
def test_the_cleanup_keeps_what_is_young(stage: Any, keep_days: float, state: str, begun: str):
    run_id = begun
    assert stage.airflow.wait_run("case_cleanup", run_id)["state"] == state
    if state == "success":
        assert stage.airflow.xcom("case_cleanup", run_id, "job")["deleted"] == 0
    else:
        log = "\n".join(stage.airflow.task_log("case_cleanup", run_id, "job"))
        assert "keep_days must be a number of at least 1, not '0.5'" in log
