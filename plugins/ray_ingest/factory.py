"""Makes the tasks of this platform's Dags: each runs one job script with the site's Milvus and collections.

The module is installed with its package, so that Airflow can import it wherever it reads a Dag file from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException

from airflow_ray.operators.job import RayOperator
from ray_ingest.cleaner import warn_without_cleaner
from ray_ingest.job_scripts import COLLECTIONS, EXIT_CODES
from ray_ingest.templates import daily_flags


def daily_task(pipeline: str, dag_file: str) -> RayOperator:
    """The task of a pipeline's daily Dag. It ingests the partition's prefix, or the form's ``source``."""
    outlets = [Asset(name) for name in COLLECTIONS[pipeline]]
    flags = daily_flags(pipeline)
    return script_task("ingest", f"ingest_{pipeline}.py", flags, dag_file, outlets, warn_without_cleaner)


def skip_unless(pipeline: str) -> Callable[[Any], None]:
    """A ``pre_execute`` hook that skips the task when the form's ``pipeline`` is another."""

    def check(context: Any) -> None:
        if context["params"]["pipeline"] != pipeline:
            raise AirflowSkipException(f"This run is for the pipeline {context['params']['pipeline']}.")

    return check


def script_task(
    task_id: str,
    script: str,
    arguments: Mapping[str, Any],
    dag_file: str,
    outlets: Sequence[Asset] = (),
    pre_execute: Callable[[Any], None] | None = None,
) -> RayOperator:
    """A task that runs a job script with the site's Milvus and collections, in the pool ``ray``, with retries.

    :param script: file name in ``ray_jobs/``; templated.
    :param arguments: the script's other flags; templated.
    :param dag_file: ``__file__`` of the Dag. ``ray_jobs`` is beside its folder, or where ``ingest_jobs_dir`` says.
    :param pre_execute: called with the task's context before the task runs.
    """
    jobs = Path(dag_file).resolve().parent.parent / "ray_jobs"
    return RayOperator(
        task_id=task_id,
        entrypoint=f"python {script}",
        arguments={
            "milvus-uri": "{{ required(var.value.get('ingest_milvus_uri', ''), NO_MILVUS) }}",
            "collection": "{{ var.value.get('ingest_collection_prefix', '') }}",
            **arguments,
        },
        working_dir=f"{{{{ var.value.get('ingest_jobs_dir', {str(jobs)!r}) }}}}",
        exit_codes=EXIT_CODES,
        pool="ray",
        retries=3,
        retry_delay=timedelta(minutes=1),
        retry_exponential_backoff=True,
        max_retry_delay=timedelta(minutes=30),
        outlets=list(outlets),
        pre_execute=pre_execute,
    )
