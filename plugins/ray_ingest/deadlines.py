"""The deadline of the daily Dags, if the site sets one: "day D is searchable by 06:00 of the day after".

Airflow (3.3) counts deadlines from a run's logical date, which partitioned runs do not have, or from the moment when it
was queued, which is late where the scheduler is, and the same for all runs of a backfill. This module counts from the
partition, and for scheduled runs only. Airflow calls the site's function for a run that has not ended by then. One that
failed before has ended; of failures, sites hear in other ways.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Variable, get_parsing_context
from airflow.sdk.definitions.callback import AsyncCallback, SyncCallback
from airflow.sdk.definitions.deadline import BaseDeadlineReference, DeadlineAlert

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)


class PartitionDeadline(BaseDeadlineReference):
    """A time of the day after the day of a scheduled run's partition; no deadline for other runs.

    The plugin registers it in all components: the scheduler evaluates it when it creates a run.

    :param at: the time, in UTC unless it has an offset of its own.
    """

    required_kwargs = frozenset({"dag_id", "run_id"})

    def __init__(self, at: time) -> None:
        self.at = at

    def serialize_reference(self) -> dict[str, Any]:
        """As in the base class, with the time."""
        return {**super().serialize_reference(), "at": self.at.isoformat()}

    @classmethod
    def deserialize_reference(cls, reference_data: dict[str, Any]) -> PartitionDeadline:
        """The reference that ``serialize_reference`` has described."""
        return cls(time.fromisoformat(reference_data["at"]))

    def _evaluate_with(self, *, session: Session, dag_id: str, run_id: str) -> datetime | None:
        from airflow.models import DagRun
        from sqlalchemy import select

        columns = select(DagRun.partition_date, DagRun.run_type)
        found = session.execute(columns.where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).one_or_none()
        return deadline_of(found.partition_date, found.run_type, self.at) if found else None


def deadline_of(partition_date: datetime | None, run_type: str, at: time) -> datetime | None:
    """The deadline of a run, or None if it has none."""
    if partition_date is None or run_type != "scheduled":
        return None
    day = partition_date.astimezone(UTC).date() + timedelta(days=1)
    return datetime.combine(day, at, at.tzinfo or UTC)


def daily_deadline() -> DeadlineAlert | None:
    """The deadline of a daily Dag, if the Variable ``ingest_deadline`` has a time such as ``06:00``.

    A value that cannot be used is an error in the log of the Dag processor, and not in the Dag: it must not stop runs.
    """
    in_task = get_parsing_context().task_id is not None  # a task does not need its Dag's deadline
    text = "" if in_task else str(Variable.get("ingest_deadline", default="") or "").strip()
    if not text:
        return None
    try:
        at = time.fromisoformat(f"0{text}" if text[1:2] == ":" else text)
        if at.microsecond:  # 06.30 is 6 hours and a fraction of a second
            raise ValueError(text)
    except ValueError:
        log.error("The Airflow Variable ingest_deadline must be a time such as 06:00 (UTC): %r.", text)
        return None
    if not _is_registered():
        log.error("There is no deadline without the plugin ray_ingest, which every component needs.")
        return None
    kind, path = _callback(str(Variable.get("ingest_deadline_callback", default="") or "").strip())
    return DeadlineAlert(PartitionDeadline(at), timedelta(0), kind(path), name=f"searchable by {text}")


def _is_registered() -> bool:
    """Whether the plugin is here: a scheduler without it could create no run that has a deadline."""
    from airflow.plugins_manager import get_deadline_references_plugins

    return PartitionDeadline in get_deadline_references_plugins().values()


def _callback(path: str) -> tuple[type[AsyncCallback | SyncCallback], str | Callable[..., Any]]:
    """The kind of callback and its function: a coroutine runs in the triggerer, any other in a worker."""
    from airflow.sdk.module_loading import import_string

    if path:
        try:
            function = import_string(path)
            if not callable(function):
                raise TypeError(f"it is of the type {type(function).__name__}")
            return AsyncCallback if inspect.iscoroutinefunction(function) else SyncCallback, path
        except Exception as error:  # whatever a module of the site's raises
            log.error("The Airflow Variable ingest_deadline_callback names no function: %r (%s).", path, error)
    return AsyncCallback, log_missed


async def log_missed(context: dict[str, Any]) -> None:
    """The default callback: an error in the log of the triggerer. Airflow counts ``deadline_missed``, too."""
    run, deadline = context["dag_run"], context["deadline"]
    log.error("Run %s of %s was not done by %s.", run["dag_run_id"], run["dag_id"], deadline["deadline_time"])
