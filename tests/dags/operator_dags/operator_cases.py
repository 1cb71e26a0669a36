"""Dags that put RayOperator into the situations of the end-to-end tests; ``behave`` says what the job does."""

import os
from datetime import timedelta

from airflow.sdk import DAG, Asset, Param

from airflow_ray.operators.cleanup import RayJobCleanupOperator
from airflow_ray.operators.job import RayOperator
from ray_ingest.job_scripts import EXIT_CODES

JOBS = os.environ["TEST_JOBS_DIR"]


class ImpatientOperator(RayOperator):
    """Airflow's own timeout strikes 5 seconds after the deadline."""

    deferral_grace = 5.0


class UnwatchedOperator(RayOperator):
    """Its trigger waits in a queue that no triggerer serves: every moment is the one before a triggerer takes it."""

    def execute(self, context):
        os.environ["AIRFLOW__TRIGGERER__QUEUES_ENABLED"] = "True"
        return super().execute(context)


def case(name: str, operator: type[RayOperator] = RayOperator, script: str = "behave.py", **options) -> None:
    with DAG(f"case_{name}", schedule=None, params={"behave": Param(["ok"], type="array")}):
        operator(
            task_id="job",
            entrypoint=f"python {script} {{% for word in params.behave %}}'{{{{ word }}}}' {{% endfor %}}",
            poll_interval=1,
            exit_codes=EXIT_CODES,
            retry_delay=timedelta(seconds=1),
            **{"retries": 0, "working_dir": JOBS, **options},
        )


case("deferred", outlets=[Asset("case_output")])
case("sync", deferrable=False, outlets=[Asset("case_output")])
case("retries", retries=2)
case("real_script", script="ingest_pdfs.py", working_dir=os.environ["TEST_REAL_JOBS_DIR"], retries=2)
case("timeout", execution_timeout=timedelta(seconds=30))
case("timeout_sync", execution_timeout=timedelta(seconds=30), deferrable=False)
case("detached", on_kill="detach")
case("nowhere", conn_id="ray_nowhere", unreachable_timeout=2)
case("wrong_token", conn_id="ray_wrong_token", retries=2)
case("deferred_again", retries=3)
case("sync_again", retries=3, deferrable=False)
case("quiet_again", retries=3, stream_logs=False)
case("unwatched", operator=UnwatchedOperator, queue="nobody")
case("unwatched_detached", operator=UnwatchedOperator, queue="nobody", on_kill="detach")
case("backstop", operator=ImpatientOperator, execution_timeout=timedelta(seconds=10))

with DAG("case_cleanup", schedule=None, params={"keep_days": Param(1, type="number")}):
    RayJobCleanupOperator(task_id="job", keep_days="{{ params.keep_days }}")
