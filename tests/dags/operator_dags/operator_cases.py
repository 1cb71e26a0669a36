"""Dags that put RayOperator into the situations of the end-to-end tests; ``behave`` says what the job does."""

import os
from datetime import timedelta

from airflow.sdk import DAG, Asset, Param

from airflow_ray.operator import RayOperator

JOBS = os.environ["TEST_JOBS_DIR"]


def case(name: str, **options) -> None:
    with DAG(f"case_{name}", schedule=None, params={"behave": Param(["ok"], type="array")}):
        RayOperator(
            task_id="job",
            entrypoint="python behave.py {% for word in params.behave %}'{{ word }}' {% endfor %}",
            working_dir=JOBS,
            poll_interval=1,
            retry_delay=timedelta(seconds=1),
            **{"retries": 0, **options},
        )


case("deferred", outlets=[Asset("case_output")])
case("sync", deferrable=False)
case("retries", retries=2)
case("timeout", execution_timeout=timedelta(seconds=15))
case("detached", on_kill="detach")
case("nowhere", conn_id="ray_nowhere")
case("wrong_token", conn_id="ray_wrong_token", retries=2)
