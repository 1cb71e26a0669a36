"""Who may see what. Airflow mounts the apps of plugins without any check, so each route names its own.

* The page: whoever may read plugins and assets, which is a viewer of the simple auth manager. FAB's roles get
  *can read on Plugins* first.
* The contents, which are the texts of the documents: whoever may read the connection to Milvus, which leads to them.
* Retries and backfills go to Airflow's own API as the user; what is said here only decides which buttons are shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import (
    AccessView,
    ConnectionDetails,
    DagAccessEntity,
    DagDetails,
)
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_asset, requires_access_view
from fastapi import Depends, HTTPException

from ray_ingest.job_scripts import COLLECTIONS
from ray_ingest.milvus import DEFAULT_CONN_ID

RETRY_DAG = "retry_failed"

PAGE = [Depends(requires_access_view(AccessView.PLUGINS)), Depends(requires_access_asset("GET"))]
"""The checks of every route."""


def daily_dag(pipeline: str) -> str:
    """The id of a pipeline's daily Dag."""
    return f"ingest_{pipeline}"


def _may_trigger(user: GetUserDep, dag_id: str) -> bool:
    return get_auth_manager().is_authorized_dag(
        method="POST", access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id), user=user
    )


def _may_read_contents(user: GetUserDep) -> bool:
    return get_auth_manager().is_authorized_connection(
        method="GET", details=ConnectionDetails(conn_id=DEFAULT_CONN_ID), user=user
    )


def _seen_runs(user: GetUserDep) -> Callable[[str], bool]:
    def may_see(dag_id: str) -> bool:
        return get_auth_manager().is_authorized_dag(
            method="GET", access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id), user=user
        )

    return may_see


SeenRuns = Annotated[Callable[[str], bool], Depends(_seen_runs)]
"""Whether the user may see the runs of a Dag."""


def permissions(user: GetUserDep) -> dict[str, object]:
    """What the user may do beside looking at the page."""
    return {
        "retry": _may_trigger(user, RETRY_DAG),
        "backfill": {pipeline: _may_trigger(user, daily_dag(pipeline)) for pipeline in COLLECTIONS},
        "contents": _may_read_contents(user),
    }


Permissions = Annotated[dict[str, object], Depends(permissions)]


def requires_contents(user: GetUserDep) -> None:
    """A dependency of the routes with the texts of documents."""
    if not _may_read_contents(user):
        raise HTTPException(
            403,
            "The texts are for users who may read the connection "
            f"{DEFAULT_CONN_ID} (FAB: the permission 'can read on Connections').",
        )


CONTENTS = [*PAGE, Depends(requires_contents)]
"""The checks of the routes with the texts of documents."""
