"""The partitions that runs may have changed without having announced them, until another run ends well.

A run may end without any code of its task: somebody marks it, or its worker dies. So a task names its partitions before
it writes, as an XCom, and takes them back when its events are on their way. What a run leaves at its end, the scheduler
adds to the state of the asset. When the next run ends of which a task has succeeded, the scheduler takes it from there
and registers its events, in one transaction: of several runs that end together, one has it. Events of tasks take their
partitions from there too, in the API server. All change the state in the database, where no two of them can overwrite
each other; a task can only replace it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from ray_ingest.assets import PARTITIONS_KEY, URI_PREFIX

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session

XCOM_KEY = "ray_ingest_unannounced"
STATE_KEY = "unannounced_partitions"
"""The key in the state of a task's first outlet."""
LATE_KEY = "announced_late"
"""The key in the ``extra`` of events for what other runs have left."""
_SUCCEEDED_KEY = "ray_ingest_succeeded"
"""The key in the ``info`` of a session: the assets of tasks that succeeded, and the partitions of their own events."""
logger = logging.getLogger(__name__)


def intend(context: Any, partitions: Collection[str], announced: Collection[str] | None = None) -> None:
    """Name the partitions that the task may change, or has changed, and has not announced.

    :param announced: the partitions of its own events if it has succeeded, so that what others have left may follow.
    """
    asset = context["task"].outlets[0]
    if partitions and context["asset_state_store"][asset].get(STATE_KEY) is None:
        context["asset_state_store"][asset].set(STATE_KEY, [])  # the scheduler must not insert it
    value: dict[str, Any] = {"asset": asset.name, "partitions": sorted(partitions)}
    if announced is not None:
        value["announced"] = sorted(announced)
    context["ti"].xcom_push(key=XCOM_KEY, value=value)


@hookimpl
def on_dag_run_success(dag_run: DagRun) -> None:
    """Announce what others have left, and keep what a task has left that somebody marked as successful."""
    keep(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: DagRun) -> None:
    """Keep what the tasks of a failed run have left."""
    keep(dag_run)


def keep(dag_run: DagRun) -> None:
    """Add what the tasks of a run have left to the states of their assets, in the session of the caller.

    Where none of them has left anything and one has succeeded, what others have left follows when the caller commits.
    """
    from airflow.models.xcom import XComModel
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return
    of_run = select(XComModel).where(XComModel.dag_run_id == dag_run.id, XComModel.key == XCOM_KEY)
    announced: dict[str, set[str]] = {}
    unannounced: set[str] = set()
    # The scheduler's session commits for nobody else, not even a savepoint.
    with session.no_autoflush:
        for xcom in session.scalars(of_run).all():
            left = XComModel.deserialize_value(xcom)
            if left["partitions"]:
                unannounced.add(left["asset"])
                if change(session, left["asset"], set(left["partitions"]).union) is not None:
                    # The run may be cleared in part, and end once more. Rows are read-only from Airflow 3.4 on.
                    names = {name: getattr(xcom, name) for name in ("dag_id", "task_id", "run_id", "map_index")}
                    XComModel.set(XCOM_KEY, {**left, "partitions": []}, **names, session=session)
            elif "announced" in left:
                announced.setdefault(left["asset"], set()).update(left["announced"])
    _announce_after_commit(session, {asset: own for asset, own in announced.items() if asset not in unannounced})


def _announce_after_commit(session: Session, succeeded: dict[str, set[str]]) -> None:
    """Registering events takes savepoints on some databases, which the scheduler's session must not commit."""
    from sqlalchemy import event

    if not succeeded:
        return
    if _SUCCEEDED_KEY not in session.info:
        event.listen(session, "after_commit", _after_commit)  # sessions of a thread are one object, time and again
        session.info[_SUCCEEDED_KEY] = {}
    for asset, own in succeeded.items():
        session.info[_SUCCEEDED_KEY].setdefault(asset, set()).update(own)


def _after_commit(session: Session) -> None:
    if session.in_nested_transaction():
        return
    succeeded, session.info[_SUCCEEDED_KEY] = session.info[_SUCCEEDED_KEY], {}
    for asset, own in succeeded.items():
        try:
            announce_left(asset, own)
        except Exception:  # of whichever Dag that waits for the asset: the scheduler must go on
            logger.exception("What runs have left unannounced of %s is announced after the next success.", asset)


def announce_left(asset: str, announced: Collection[str] = ()) -> None:
    """Register the events for what ended runs have left, once whoever else does so at the same time.

    :param announced: partitions whose events have been registered, and that are only taken from the state.
    """
    from airflow.assets.manager import asset_manager
    from airflow.serialization.definitions.assets import SerializedAssetUniqueKey
    from airflow.utils.retries import run_with_db_retries
    from airflow.utils.session import create_session

    callbacks: list[Callable[[], None]] = []
    for attempt in run_with_db_retries():
        with attempt, create_session(scoped=False) as session:
            callbacks.clear()
            left = sorted((change(session, asset, lambda _: set()) or set()).difference(announced))
            extra = {PARTITIONS_KEY: left, LATE_KEY: True}
            for key in (*left, None) if left else ():
                asset_manager.register_asset_change(
                    asset=SerializedAssetUniqueKey(asset, f"{URI_PREFIX}{asset}"), extra=extra, partition_key=key,
                    session=session, callback_sink=callbacks,
                )  # fmt: skip
            if left:
                logger.info("Asset events of %s for the partitions %s, left by runs before.", asset, ", ".join(left))
    for callback in callbacks:
        callback()


def take(session: Session, asset: str, announced: Collection[str]) -> None:
    """Remove partitions from the state of an asset, because they have been announced."""
    change(session, asset, lambda left: left.difference(announced))


def change(session: Session, asset: str, update: Callable[[set[str]], set[str]]) -> set[str] | None:
    """Replace the partitions in the state of an asset, whoever else does so at the same time.

    Returns those that it had; None if it has no state.
    """
    from airflow.models.asset import AssetModel
    from airflow.models.asset_state_store import AssetStateStoreModel as State
    from sqlalchemy import select
    from sqlalchemy import update as update_rows

    asset_id = select(AssetModel.id).where(AssetModel.uri == f"{URI_PREFIX}{asset}").scalar_subquery()
    at = (State.asset_id == asset_id, State.key == STATE_KEY)
    while True:
        stored = session.scalar(select(State.value).where(*at).with_for_update())
        left = None if stored is None else json.loads(stored)
        if not isinstance(left, list):
            return None
        new = update(set(left))
        if new == set(left):
            return new
        # SQLite has no lock for a row, so that another value may have come meanwhile.
        changed = update_rows(State).where(*at, State.value == stored).values(value=json.dumps(sorted(new)))
        if session.execute(changed, execution_options={"synchronize_session": False}).rowcount:
            return set(left)
