"""Remove the records of jobs that ended long ago: Ray keeps each of them in its head's memory for ever."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG

from airflow_ray.cleanup import RayJobCleanupOperator

DOC = """
### Remove old job records from Ray

Once a day, deletes from the Ray cluster of `ray_default` the records of finished jobs that this Airflow submitted and
that ended more than `ray_jobs_keep_days` days ago (an Airflow Variable; default 7, at least 1). What the jobs wrote
stays, and so do their logs in Airflow.
"""

with DAG(
    dag_id="clean_ray_jobs",
    schedule="30 4 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    doc_md=DOC,
    tags=["ray"],
):
    RayJobCleanupOperator(
        task_id="delete_old_records",
        keep_days="{{ var.value.get('ray_jobs_keep_days', '7') }}",
        retries=2,
        retry_delay=timedelta(minutes=5),
    )
