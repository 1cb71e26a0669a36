"""A Dag that starts once for each partition of ``documents`` that has changed: a Dag to copy.

The partition is a day such as 2026-01-31. After a run by hand over a prefix without a day in it, it is the prefix.
Airflow ignores this folder (``../.airflowignore``). Copy this file to where Airflow finds its Dags.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, PartitionedAssetTimetable, task

from ray_ingest.assets import collection_asset

with DAG(
    "example_documents_by_day",
    schedule=PartitionedAssetTimetable(assets=collection_asset("documents")),
    tags=["example", "milvus"],
):

    @task
    def changed_partition(dag_run: Any = None) -> str:
        """The partition of this run."""
        return str(dag_run.partition_key)

    changed_partition()
