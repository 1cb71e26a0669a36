"""Finds live jobs whose task has ended: a task that ends while no triggerer has its trigger runs no code of ours.

A job counts as orphaned only where Airflow's own answers prove that nobody will ever want it:

1. It was submitted with ``on_kill="stop"``, according to its metadata.
2. It belongs to this Airflow: its id follows from the start of the run as this Airflow knows it, to the microsecond. A
   common ``job_prefix`` proves nothing, nor do equal names of Dags and runs.
3. Its task has ended. States are requested after the jobs were listed, so a listed job belongs to a try that began
   before the end that Airflow reports. Whatever runs the task again after that has another epoch, and adopts no job of
   an earlier one (``job_ids``). A task without a state (cleared, or reset by a scheduler, to run again) has ended only
   when its run has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from airflow_ray.job_ids import ON_KILL_KEY, Attempt, start_text
from airflow_ray.supervisor import TaskKey
from ray_jobs_api.client import JobInfo

_ENDED = frozenset({"success", "failed", "skipped", "upstream_failed"})
#: States in which a task waits for nothing but its run: the end of the run is its end.
_IDLE = frozenset({"none", "removed"})
_RUN_ENDED = frozenset({"success", "failed"})


@dataclass
class LiveJobs:
    """Ids of live jobs: ``orphaned`` jobs may be stopped; for ``unknown`` jobs, Airflow does not know the run."""

    orphaned: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def find_orphans(jobs: Iterable[JobInfo], prefix: str) -> LiveJobs:
    """Sort the live jobs among ``jobs``, which all have this Airflow's ``job_prefix``.

    Call it within a task: it asks Airflow through the task's supervisor. Raises ``AirflowRuntimeError`` when Airflow
    does not answer.
    """
    live = LiveJobs()
    for job in jobs:
        if job.finished or job.metadata.get(ON_KILL_KEY) != "stop" or (key := _task_key(job)) is None:
            continue
        state = key.state_in(_ask(key.states_request()))
        if state not in _ENDED | _IDLE:
            continue
        run = _run(key)
        if run is None or not job.submission_id.startswith(f"{_work_id(key, run.start_date, prefix)}-e"):
            live.unknown.append(job.submission_id)
        elif state in _ENDED or run.state in _RUN_ENDED:
            live.orphaned.append(job.submission_id)
    return live


def _task_key(job: JobInfo) -> TaskKey | None:
    try:
        dag_id, run_id, task_id = (job.metadata[f"airflow_{name}_id"] for name in ("dag", "run", "task"))
        return TaskKey(dag_id, run_id, task_id, int(job.metadata["airflow_map_index"]))
    except (KeyError, ValueError):
        return None


def _work_id(key: TaskKey, started: Any, prefix: str) -> str:
    return Attempt(
        key.dag_id, key.run_id, key.task_id, key.map_index, 0, 0, prefix=prefix, run_started=start_text(started)
    ).work_id


def _run(key: TaskKey) -> Any:
    """The Dag run, with ``start_date`` and ``state``; None when it was deleted, or belongs to another Airflow."""
    from airflow.sdk.exceptions import AirflowRuntimeError
    from airflow.sdk.execution_time.comms import GetDagRun

    try:
        return _ask(GetDagRun(dag_id=key.dag_id, run_id=key.run_id))
    except AirflowRuntimeError as error:
        if (error.error.detail or {}).get("status_code") == 404:
            return None
        raise


def _ask(request: Any) -> Any:
    from airflow.sdk.execution_time import task_runner

    return task_runner.SUPERVISOR_COMMS.send(request)
