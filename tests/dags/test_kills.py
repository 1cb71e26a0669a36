"""What is killed, when, and what must be left: one job that did the work once, one task that says so.

    uv run pytest -m "chaos or not chaos" tests/dags/test_kills.py

The default run has the kills whose failure would be the most expensive; the rest is marked ``chaos``.
"""

import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from embedded.processes import poll, send

BOTH = pytest.mark.parametrize(
    "case", ["case_deferred_again", pytest.param("case_sync_again", marks=pytest.mark.nightly)]
)


def ended_well(stage: Any, case: str, run_id: str, *, jobs: int = 1) -> dict[str, Any]:
    """The run succeeded, with exactly so many jobs in Ray of which one succeeded; returns the task."""
    assert stage.airflow.wait_run(case, run_id, 300)["state"] == "success"
    states = sorted(job["status"] for job in stage.jobs_of(run_id))
    assert states.count("SUCCEEDED") == 1
    assert len(states) == jobs, states
    (task,) = stage.airflow.task_instances(case, run_id)
    return task


def numbered(count: int) -> list[str]:
    return [f"line {number} of the job" for number in range(count)]


def each_line_once(stage: Any, case: str, run_id: str, try_number: int = 1) -> None:
    """The try's log soon has every line that the job's report counts, once and in order.

    A triggerer sends lines and events on ways of their own, so that the last lines may come after the event.
    """
    wanted = numbered(stage.airflow.xcom(case, run_id, "job")["listed"])
    with suppress(TimeoutError):
        poll(lambda: stage.lines(case, run_id, try_number) == wanted, 60, "the last lines", interval=1)
    assert stage.lines(case, run_id, try_number) == wanted


@pytest.fixture(autouse=True)
def nothing_else_runs(stage: Any) -> None:
    """A kill would hit the runs of other tests too."""
    stage.quiet()


def runs_until(stage: Any, case: str, end: Path, lines: int = 5) -> str:
    """Start a job that runs until ``end`` exists, and wait for its first lines in the task's log."""
    run_id = stage.start(case, "until", str(end))
    poll(lambda: len(stage.lines(case, run_id)) >= lines, 90, "no lines in the log", interval=0.5)
    return run_id


@BOTH
@pytest.mark.parametrize("where", ["before", pytest.param("answer", marks=pytest.mark.nightly)])
def test_a_worker_killed_around_its_submit(stage: Any, case: str, where: str):
    with stage.gateway.hold("POST /api/jobs/$", where) as held:
        run_id = stage.start(case, "ok", "5")
        assert held.reached.wait(90)
        send(signal.SIGKILL, stage.airflow.task_processes())
        if where == "before":
            # The request is still under way when the next try asks for the job and does not find it.
            with stage.gateway.hold("POST /api/jobs/$", "before") as second:
                assert second.reached.wait(90)
    task = ended_well(stage, case, run_id)
    assert task["try_number"] == 2
    assert stage.lines(case, run_id, 2) == numbered(5)


@pytest.mark.parametrize("what", ["task", pytest.param("run", marks=pytest.mark.nightly)])
def test_a_task_that_is_marked_while_it_submits_leaves_no_job(stage: Any, what: str):
    with stage.gateway.hold("POST /api/jobs/$", "answer") as held:
        run_id = stage.start("case_deferred", "sleep", "600")
        assert held.reached.wait(90)
        if what == "task":
            stage.mark_failed("case_deferred", run_id)
        else:
            stage.airflow.api("PATCH", f"/dags/case_deferred/dagRuns/{run_id}", {"state": "failed"})
    (job,) = stage.jobs_of(run_id)
    stage.wait_job(job["submission_id"], "STOPPED")


@pytest.mark.nightly
def test_a_task_that_is_cleared_while_it_submits_has_one_job_in_the_end(stage: Any):
    with stage.gateway.hold("POST /api/jobs/$", "answer") as held:
        run_id = stage.start("case_deferred", "sleep", "600")
        assert held.reached.wait(90)
        body = {"dry_run": False, "dag_run_id": run_id, "task_ids": ["job"], "only_failed": False}
        stage.airflow.api("POST", "/dags/case_deferred/clearTaskInstances", {**body, "reset_dag_runs": True})

    def is_watched() -> bool:
        (task,) = stage.airflow.task_instances("case_deferred", run_id)
        return (task["state"], task["try_number"]) == ("deferred", 2)

    poll(is_watched, 120, "the next try does not wait for a job", interval=0.5)
    (live,) = [job for job in stage.jobs_of(run_id) if job["status"] in ("PENDING", "RUNNING")]
    stage.mark_failed("case_deferred", run_id)
    stage.wait_job(live["submission_id"], "STOPPED")


@pytest.mark.chaos
def test_a_worker_killed_while_it_watches(stage: Any, end: Path):
    run_id = runs_until(stage, "case_sync_again", end)
    send(signal.SIGKILL, stage.airflow.task_processes())
    poll(lambda: stage.lines("case_sync_again", run_id, 2), 90, "no line in the second try", interval=0.5)
    end.touch()
    assert ended_well(stage, "case_sync_again", run_id)["try_number"] == 2
    each_line_once(stage, "case_sync_again", run_id, 2)


@pytest.mark.chaos
def test_a_worker_killed_just_after_the_jobs_end(stage: Any):
    with stage.gateway.hold("GET /api/v0/logs/file$", "answer") as held:
        run_id = stage.start("case_quiet_again", "ok", "5")
        assert held.reached.wait(90)
        send(signal.SIGKILL, stage.airflow.task_processes())
    assert ended_well(stage, "case_quiet_again", run_id)["try_number"] == 2
    assert stage.airflow.xcom("case_quiet_again", run_id, "job") == {"pipeline": "behave", "listed": 5}


def test_a_triggerer_killed_while_the_job_runs_shows_each_line_once(stage: Any, end: Path):
    run_id = runs_until(stage, "case_deferred", end)
    stage.kill_component("triggerer")
    shown = len(stage.lines("case_deferred", run_id))
    stage.replace_component("triggerer")
    poll(lambda: len(stage.lines("case_deferred", run_id)) > shown + 5, 90, "no more lines", interval=0.5)
    end.touch()
    assert ended_well(stage, "case_deferred", run_id)["try_number"] == 1
    each_line_once(stage, "case_deferred", run_id)


@pytest.mark.chaos
def test_a_triggerer_killed_at_the_jobs_end(stage: Any, end: Path):
    run_id = runs_until(stage, "case_deferred", end)
    stage.kill_component("triggerer")
    end.touch()
    stage.wait_job(stage.submission_id("case_deferred", run_id), "SUCCEEDED")
    stage.replace_component("triggerer")
    assert ended_well(stage, "case_deferred", run_id)["try_number"] == 1
    each_line_once(stage, "case_deferred", run_id)


@pytest.mark.chaos
def test_a_triggerer_that_hung_and_comes_back_leaves_the_job_to_its_successor(stage: Any, end: Path):
    run_id = runs_until(stage, "case_deferred", end)
    hung = stage.component("triggerer")
    send(signal.SIGSTOP, hung)
    try:
        stage.replace_component("triggerer")
        shown = len(stage.lines("case_deferred", run_id))
        poll(lambda: len(stage.lines("case_deferred", run_id)) > shown + 5, 90, "no more lines", interval=0.5)
    finally:
        send(signal.SIGCONT, hung)
    poll(
        lambda: [
            line for line in stage.airflow.task_log("case_deferred", run_id, "job") if line.endswith("is left alone.")
        ],
        90,
        "the first triggerer does not drop its trigger",
        interval=0.5,
    )
    send(signal.SIGKILL, hung)
    end.touch()
    assert ended_well(stage, "case_deferred", run_id)["try_number"] == 1
    each_line_once(stage, "case_deferred", run_id)


@pytest.mark.chaos
@pytest.mark.parametrize("case", ["case_deferred_again", "case_sync_again"])
def test_a_scheduler_killed_with_its_workers(stage: Any, case: str, end: Path):
    run_id = runs_until(stage, case, end)
    stage.kill_component("scheduler")
    stage.replace_component("scheduler")
    if case == "case_sync_again":
        poll(lambda: stage.lines(case, run_id, 2), 120, "no line in the second try", interval=0.5)
    end.touch()
    ended_well(stage, case, run_id)


@pytest.mark.chaos
def test_a_scheduler_killed_alone_has_the_work_done_once(stage: Any, end: Path):
    # Airflow takes the task from the orphaned worker and kills it, as if a user had; so its job is stopped, and the
    # next try submits its own. A deferred task has no worker that could be orphaned.
    run_id = runs_until(stage, "case_sync_again", end)
    send(signal.SIGKILL, stage.component("scheduler")[:1])
    stage.replace_component("scheduler")
    poll(lambda: stage.lines("case_sync_again", run_id, 2), 120, "no line in the second try", interval=0.5)
    end.touch()
    assert stage.airflow.wait_run("case_sync_again", run_id)["state"] == "success"
    assert sorted(job["status"] for job in stage.jobs_of(run_id)) == ["STOPPED", "SUCCEEDED"]


@pytest.mark.chaos
def test_a_deferral_that_times_out_without_a_triggerer_stops_its_job(stage: Any):
    stage.kill_component("triggerer")
    try:
        task, log = stage.finished("case_backstop", stage.start("case_backstop", "sleep", "300"))
    finally:
        stage.replace_component("triggerer")
    assert task["state"] == "failed"
    assert "asked Ray to stop job" in log
    stage.wait_job(stage.submission_id("case_backstop", task["dag_run_id"]), "STOPPED")


@pytest.mark.nightly
def test_a_running_task_without_deferral_that_is_cleared(stage: Any, end: Path):
    run_id = runs_until(stage, "case_sync", end)
    first = stage.submission_id("case_sync", run_id)
    body = {"dry_run": False, "dag_run_id": run_id, "task_ids": ["job"], "only_failed": False, "reset_dag_runs": True}
    stage.airflow.api("POST", "/dags/case_sync/clearTaskInstances", body)
    stage.wait_job(first, "STOPPED")
    poll(lambda: len(stage.jobs_of(run_id)) == 2, 90, "no second job", interval=0.5)
    end.touch()
    ended_well(stage, "case_sync", run_id, jobs=2)


@pytest.mark.chaos
def test_a_ray_head_that_is_replaced(stage: Any, end: Path):
    run_id = runs_until(stage, "case_deferred_again", end)
    stage.ray.kill()
    stage.ray.start()
    poll(lambda: stage.lines("case_deferred_again", run_id, 2), 120, "no line in the second try", interval=0.5)
    end.touch()
    ended_well(stage, "case_deferred_again", run_id)
    log = "\n".join(stage.airflow.task_log("case_deferred_again", run_id, "job", 1))
    assert "could not be watched to its end (cluster_lost): the cluster was replaced: session" in log
