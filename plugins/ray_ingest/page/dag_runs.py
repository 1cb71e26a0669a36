"""The Dag runs that have submitted Ray jobs: the id of a job has a digest of its task, and Airflow knows its tasks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_ray.job_ids import Attempt, readable_id, start_text

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

CLOCKS = timedelta(minutes=10)
"""By which the clocks of the Ray cluster and of Airflow may differ."""

MAX_TASKS = 1000
"""Task instances of the runs at the time of a job that are looked at."""

_JOB = re.compile(r"(.+-)([0-9a-f]{16})-e\d+-t(\d+)")


def find_runs(jobs: Mapping[str, int], may_see: Callable[[str], bool]) -> dict[str, dict[str, Any]]:
    """For the jobs of this Airflow that a user may know of, their ``dag_id``, ``dag_run_id`` and ``try``; it blocks.

    A run that was cleared after it had ended has another start, by which its earlier jobs are no longer known: theirs,
    and those of runs that were deleted, have an empty ``dag_run_id`` if there is one Dag alone that they can be of.

    :param jobs: by their ids, when they wrote something, in milliseconds since 1970.
    :param may_see: whether the user may see the runs of a Dag.
    """
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    found: dict[str, dict[str, Any]] = {}
    with create_session(scoped=False) as session:
        dags = [str(dag_id) for dag_id in session.scalars(select(DagModel.dag_id))]
        for job, written in jobs.items():
            if not (parts := _JOB.fullmatch(job)):
                continue
            own = [dag_id for dag_id in dags if f"-{readable_id(dag_id)}-" in parts[1] and may_see(dag_id)]
            run = _run(session, own, parts[2], datetime.fromtimestamp(written / 1000, UTC)) if own else None
            if run is not None or len(own) == 1:
                dag_id, run_id = run or (own[0], "")
                found[job] = {"dag_id": dag_id, "dag_run_id": run_id, "try": int(parts[3])}
    return found


def _run(session: Session, dags: list[str], digest: str, at: datetime) -> tuple[str, str] | None:
    """The Dag and the run, among those that went on at a time, with the task of a digest."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import or_, select

    tasks = (
        select(DagRun.dag_id, DagRun.run_id, TaskInstance.task_id, TaskInstance.map_index, DagRun.start_date)
        .join(TaskInstance, (TaskInstance.dag_id == DagRun.dag_id) & (TaskInstance.run_id == DagRun.run_id))
        .where(DagRun.dag_id.in_(dags), DagRun.start_date <= at + CLOCKS)
        .where(or_(DagRun.end_date.is_(None), DagRun.end_date >= at - CLOCKS))
        .order_by(DagRun.start_date.desc())
        .limit(MAX_TASKS)
    )
    for dag_id, run_id, task_id, map_index, started in session.execute(tasks):
        work = Attempt(dag_id, run_id, task_id, map_index, 0, 0, run_started=start_text(started)).work_id
        if work.endswith(digest):
            return dag_id, run_id
    return None
