"""Lets changes of the collections start Dags that are not partition-aware (``schedule=[Asset(...)]``), too.

Airflow (3.3) starts such Dags only from events without a partition key, and gives every event of a partitioned run one
(``airflow/assets/manager.py``, ``_queue_dagruns``; apache/airflow#59295 asks for a choice). So this listener follows
each event with a key by one without. Airflow calls it in the API server, which has registered the event of a task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.listeners import hookimpl

from ray_ingest import unannounced
from ray_ingest.assets import PARTITIONS_KEY, URI_PREFIX

if TYPE_CHECKING:
    from airflow.listeners.types import AssetEvent


@hookimpl
def on_asset_event_emitted(asset_event: AssetEvent) -> None:
    """Register the event again without its key, once for all partitions that a task has changed.

    The event of a person, who has given it a key or none, stays as it is. Airflow calls this within its transaction,
    which on SQLite no other one could write beside.
    """
    key = asset_event.partition_key
    if key is None or not asset_event.asset.uri.startswith(URI_PREFIX) or unannounced.LATE_KEY in asset_event.extra:
        return
    if asset_event.source_dag_id is None:
        return
    listed = asset_event.extra.get(PARTITIONS_KEY)
    partitions = [str(partition) for partition in listed] if isinstance(listed, list) else [key]
    if key in partitions[1:]:
        return
    from airflow.assets.manager import asset_manager
    from airflow.utils.retries import run_with_db_retries
    from airflow.utils.session import create_session

    source = {
        "source_dag_id": asset_event.source_dag_id,
        "source_run_id": asset_event.source_run_id,
        "source_task_id": asset_event.source_task_id,
    }
    extra = {**asset_event.extra, **source}
    for attempt in run_with_db_retries():
        with attempt, create_session(scoped=False) as session:
            # In the order of ``unannounced.announce_left``, or each would wait for the other's lock.
            unannounced.take(session, asset_event.asset.name, partitions)
            asset_manager.register_asset_change(asset=asset_event.asset, extra=extra, session=session)
