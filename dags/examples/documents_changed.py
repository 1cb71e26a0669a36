"""A Dag that starts after each change of the collection ``documents``, whatever was ingested: a Dag to copy.

One run may stand for several changes that came together; its events name them. Airflow ignores this folder
(``../.airflowignore``). Copy this file to where Airflow finds its Dags.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from ray_ingest.assets import collection_asset

DOCUMENTS = collection_asset("documents")

with DAG("example_documents_changed", schedule=[DOCUMENTS], tags=["example", "milvus"]):

    @task
    def changed_partitions(triggering_asset_events: Any = None) -> list[str]:
        """The partitions that have changed since the last run. An event's ``extra`` also has the report of its run.

        An event that a person has created on the page of the asset has neither.
        """
        events = triggering_asset_events[DOCUMENTS]
        return sorted({partition for event in events for partition in event.extra.get("partitions", ())})

    changed_partitions()
