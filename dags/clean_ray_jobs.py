"""Stop jobs in Ray whose task has ended, and delete the records of old jobs, which Ray keeps in its head's memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from airflow_ray.operators.cleanup import RayJobCleanupOperator

DOC = """
### Clean up jobs in Ray

Every five minutes, this Dag looks at the jobs that this Airflow submitted to the Ray cluster of `ray_default`:

- It stops jobs whose task has ended. A task that is marked while no triggerer watches its job leaves the job running,
  because Airflow runs no code of the task then. Jobs with `on_kill="detach"` are left alone. The log names jobs whose
  Dag run is unknown because it was deleted.
- It deletes the records of jobs that ended more than `ray_jobs_keep_days` days ago (an Airflow Variable; default 7, at
  least 1). The results of the jobs stay, and so do their logs in Airflow.
"""

with DAG(
    dag_id="clean_ray_jobs",
    schedule="*/5 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=DOC,
    tags=["ray"],
):
    RayJobCleanupOperator(
        task_id="clean",
        keep_days="{{ var.value.get('ray_jobs_keep_days', '') | trim or 7 }}",
        retries=2,
        retry_delay=timedelta(minutes=1),
    )
