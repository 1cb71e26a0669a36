"""The button that leads from a task to its job in the Ray dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class RayJobLink(BaseOperatorLink):
    """Link to the job's page. The operator pushes it right after the submission, and it works while the job runs."""

    name = "Ray job"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The link that the operator knows in this process.

        Airflow calls this at the end of every segment of the task and overwrites the stored link with the result.
        ``RayOperator`` therefore sets ``job_url`` in each of its entry points.
        """
        return getattr(operator, "job_url", None) or ""


def job_url(dashboard_url: str, submission_id: str) -> str:
    """The page of a job in the dashboard's client-side routes (ray/dashboard/client, ``/jobs/:id``)."""
    return f"{dashboard_url.rstrip('/')}/#/jobs/{submission_id}"
