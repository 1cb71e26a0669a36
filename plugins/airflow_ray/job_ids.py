"""The submission id of a job, derived from the task instance so that it is known before the submission.

The invariant: whoever runs attempt N of a piece of work computes the same id, whatever died in between. Ray refuses a
second job under a taken id, so the same attempt cannot start two jobs, and an attempt can look for its predecessors'.

The *epoch* counts how often the task was cleared, as the number of tries that were used up before: clearing sets
``max_tries = try_number + retries`` (airflow/models/taskinstance.py), so ``max_tries - retries`` is stable over retries
and grows with a clear. A cleared task therefore never finds, and never adopts, a job of an earlier epoch.

A run that was deleted and made again has the same ``run_id`` if that follows from a schedule. ``run_started``
distinguishes the two: Airflow sets a run's ``start_date`` once, and again only when a run that has ended is cleared.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Context

#: The key of a job's metadata that holds the task's ``on_kill``.
ON_KILL_KEY = "airflow_on_kill"
_MAX_NAME_LENGTH = 40
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Attempt:
    """One attempt of one task instance; ``submission_id`` is a pure function of the fields."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    epoch: int
    try_number: int
    prefix: str = "airflow"
    run_started: str = ""

    @property
    def submission_id(self) -> str:
        """``<prefix>-<dag>-<task>-<16 hex digits>-e<epoch>-t<try>``, at most 150 characters of ``[A-Za-z0-9_-]``."""
        return f"{self.work_id}-e{self.epoch}-t{self.try_number}"

    @property
    def work_id(self) -> str:
        """The part of the id that all attempts at the same task instance have in common.

        The digest covers the full names, so names that differ only in replaced or cut characters stay apart.
        """
        identity = json.dumps([self.dag_id, self.run_id, self.run_started, self.task_id, self.map_index])
        digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
        return f"{readable_id(self.prefix, self.dag_id, self.task_id)}-{digest}"

    @property
    def metadata(self) -> dict[str, str]:
        """The origin of the job, for people who look at it in Ray. Ray takes strings only."""
        return {
            "airflow_dag_id": self.dag_id,
            "airflow_run_id": self.run_id,
            "airflow_task_id": self.task_id,
            "airflow_map_index": str(self.map_index),
            "airflow_try_number": str(self.try_number),
        }

    def predecessors(self) -> list[Attempt]:
        """Earlier attempts of the same epoch, the latest first: a retry may find their jobs running."""
        return [replace(self, try_number=number) for number in range(self.try_number - 1, self.epoch, -1)]


def attempt_of(context: Context, retries: int, prefix: str) -> Attempt:
    """The attempt of a running task instance."""
    ti = context["ti"]
    return Attempt(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=-1 if ti.map_index is None else int(ti.map_index),
        epoch=clear_epoch(ti.max_tries or 0, retries),
        try_number=ti.try_number,
        prefix=prefix,
        run_started=start_text(context["dag_run"].start_date),
    )


def start_text(started: datetime | None) -> str:
    """``Attempt.run_started`` of a run with this ``start_date``."""
    return "" if started is None else started.astimezone(UTC).isoformat()


def clear_epoch(max_tries: int, retries: int) -> int:
    """The number of tries that were used up before the last clear; 0 for a task that was never cleared."""
    return max(0, max_tries - retries)


def readable_id(*names: str) -> str:
    """The readable part of an id: the names, each cut to 40 characters and without those that Ray does not take."""
    return "-".join(_NOT_ALLOWED.sub("_", name)[:_MAX_NAME_LENGTH] for name in names)
