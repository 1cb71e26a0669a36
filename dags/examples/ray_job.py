"""A Ray job as an Airflow task, with nothing of this platform: a Dag to copy.

Airflow ignores this folder (``../.airflowignore``). Copy this file and ``estimate_pi/`` to where Airflow finds its
Dags, and make the connection ``ray_default`` and the pool:

    airflow connections add ray_default --conn-type ray --conn-host ray-head --conn-port 8265
    airflow pools set ray 4 "Ray jobs at a time" --include-deferred
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_ray.operators.job import RayOperator

with DAG("example_ray_job", schedule=None, tags=["example", "ray"]):
    RayOperator(
        task_id="estimate_pi",
        entrypoint="python estimate_pi.py",
        arguments={"samples": 1_000_000, "seed": "{{ ti.try_number }}"},
        working_dir=str(Path(__file__).parent / "estimate_pi"),
        execution_timeout=timedelta(minutes=30),
        pool="ray",
        retries=2,
        retry_delay=timedelta(minutes=1),
    )
