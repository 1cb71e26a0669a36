"""The partitions that runs may have changed without having announced them, until another run's events do it.

A run may end without any code of its task: somebody marks it, or its worker dies. So a task names its partitions before
it writes, as an XCom, and takes them back when its events are on their way. What a run leaves at its end, the scheduler
adds to the state of the asset, where the next task that succeeds finds it. Events that have been registered take it
from there, in the API server. Both change the state in the database, where no two of them can overwrite each other;
a task can only replace it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session

XCOM_KEY = "ray_ingest_unannounced"
STATE_KEY = "unannounced_partitions"
"""The key in the state of a task's first outlet."""


def intend(context: Any, partitions: Collection[str]) -> None:
    """Name the partitions that the task may change, or has changed, and has not announced."""
    asset = context["task"].outlets[0]
    if partitions and context["asset_state_store"][asset].get(STATE_KEY) is None:
        context["asset_state_store"][asset].set(STATE_KEY, [])  # the scheduler must not insert it
    context["ti"].xcom_push(key=XCOM_KEY, value={"asset": asset.name, "partitions": sorted(partitions)})


def of_others(context: Any) -> list[str]:
    """The partitions that ended runs have left."""
    return list(context["asset_state_store"][context["task"].outlets[0]].get(STATE_KEY) or [])


@hookimpl
def on_dag_run_success(dag_run: DagRun) -> None:
    """Keep what a task has left that somebody marked as successful."""
    keep(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: DagRun) -> None:
    """Keep what the tasks of a failed run have left."""
    keep(dag_run)


def keep(dag_run: DagRun) -> None:
    """Add what the tasks of a run have left to the states of their assets, in the session of the caller."""
    from airflow.models.xcom import XComModel
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return
    of_run = select(XComModel).where(XComModel.dag_run_id == dag_run.id, XComModel.key == XCOM_KEY)
    # The scheduler's session commits for nobody else, not even a savepoint.
    with session.no_autoflush:
        for xcom in session.scalars(of_run).all():
            left = XComModel.deserialize_value(xcom)
            if left["partitions"] and change(session, left["asset"], set(left["partitions"]).union):
                session.delete(xcom)  # the run may be cleared in part, and end once more


def take(session: Session, asset: str, announced: Collection[str]) -> None:
    """Remove partitions from the state of an asset, because they have been announced."""
    change(session, asset, lambda left: left.difference(announced))


def change(session: Session, asset: str, update: Callable[[set[str]], set[str]]) -> bool:
    """Replace the partitions in the state of an asset, whoever else does so at the same time; False if it has none."""
    from airflow.models.asset import AssetModel
    from airflow.models.asset_state_store import AssetStateStoreModel as State
    from sqlalchemy import select
    from sqlalchemy import update as update_rows

    from ray_ingest.assets import URI_PREFIX

    asset_id = select(AssetModel.id).where(AssetModel.uri == f"{URI_PREFIX}{asset}").scalar_subquery()
    at = (State.asset_id == asset_id, State.key == STATE_KEY)
    while True:
        stored = session.scalar(select(State.value).where(*at).with_for_update())
        left = None if stored is None else json.loads(stored)
        if not isinstance(left, list):
            return False
        new = json.dumps(sorted(update(set(left))))
        # SQLite has no lock for a row, so that another value may have come meanwhile.
        changed = update_rows(State).where(*at, State.value == stored).values(value=new)
        if session.execute(changed, execution_options={"synchronize_session": False}).rowcount:
            return True
