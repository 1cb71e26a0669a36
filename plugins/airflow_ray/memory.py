"""What a task remembers about its job between attempts, in Airflow's task state store.

The store outlives retries *and* clears (apache/airflow#72100). So it never says whether work is done, only which
job may still be running and must be stopped before a cleared task starts afresh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from .job_ids import Attempt

_KEY = "airflow_ray_job"


class JobMemory:
    """One key of the store: ``{"submission_id", "epoch", "superseded"}``, the last one only until it was stopped."""

    def __init__(self, context: Context) -> None:
        self._store = context["task_state_store"]

    @property
    def submission_id(self) -> str | None:
        """The job that this task waits for, or last waited for."""
        found = self._read().get("submission_id")
        return str(found) if found else None

    def before_submit(self, attempt: Attempt) -> str | None:
        """Note the attempt's job before it exists. Returns the job of an earlier epoch that must be stopped, if any."""
        stored = self._read()
        superseded = stored.get("superseded")
        if stored and stored.get("epoch") != attempt.epoch:
            superseded = stored.get("submission_id")
        self._store.set(_KEY, _record(attempt, attempt.submission_id, superseded))
        return str(superseded) if superseded else None

    def after_submit(self, attempt: Attempt, submission_id: str) -> None:
        """Note which job does the work; the superseded one has been stopped by now."""
        self._store.set(_KEY, _record(attempt, submission_id, None))

    def _read(self) -> dict[str, Any]:
        stored = self._store.get(_KEY)
        return stored if isinstance(stored, dict) else {}


def _record(attempt: Attempt, submission_id: str, superseded: Any) -> dict[str, Any]:
    return {"submission_id": submission_id, "epoch": attempt.epoch, "superseded": superseded}
