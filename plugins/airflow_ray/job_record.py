"""What a task remembers about its job between attempts, in Airflow's task state store.

The store outlives retries *and* clears (apache/airflow#72100). So it never says whether work is done, only which
job may still be running and must be stopped before a cleared task starts afresh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_ray.job_ids import Attempt

_KEY = "airflow_ray_job"


class JobMemory:
    """One key of the store: ``{"submission_id", "epoch", "state"}``.

    ``state`` is ``submitting`` from just before a submit until Ray's answer has arrived, then ``placed``, and
    ``given_up`` once the job was asked to stop although nobody wanted the work to end.
    """

    def __init__(self, context: Context) -> None:
        self._store = context["task_state_store"]

    @property
    def submission_id(self) -> str | None:
        """The job that this task waits for, or last waited for."""
        found = self._read().get("submission_id")
        return str(found) if found else None

    def superseded(self, attempt: Attempt) -> str | None:
        """The job of an epoch before the last clear, which must be stopped before this attempt submits."""
        return self.submission_id if self._read().get("epoch") != attempt.epoch else None

    def in_doubt(self, attempt: Attempt) -> str | None:
        """The id under which an earlier attempt of this epoch may have submitted, without living to know."""
        stored = self._read()
        if stored.get("epoch") != attempt.epoch or stored.get("state") != "submitting":
            return None
        return self.submission_id

    def given_up(self, attempt: Attempt) -> bool:
        """Whether the job of the attempt before this one must not be adopted, even if it is still pending."""
        stored = self._read()
        return stored.get("epoch") == attempt.epoch and stored.get("state") == "given_up"

    def submitting(self, attempt: Attempt, submission_id: str) -> None:
        """Note the job before it exists."""
        self._write(attempt.epoch, submission_id, "submitting")

    def placed(self, attempt: Attempt, submission_id: str) -> None:
        """Note which job does the work."""
        self._write(attempt.epoch, submission_id, "placed")

    def give_up(self) -> None:
        """Note that the job was stopped for a limit: the next attempt submits its own."""
        stored = self._read()
        if stored:
            self._write(stored["epoch"], stored["submission_id"], "given_up")

    def _read(self) -> dict[str, Any]:
        stored = self._store.get(_KEY)
        return stored if isinstance(stored, dict) else {}

    def _write(self, epoch: int, submission_id: str, state: str) -> None:
        self._store.set(_KEY, {"submission_id": submission_id, "epoch": epoch, "state": state})
