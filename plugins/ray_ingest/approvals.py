"""Lets people decide about removals above the limit and switches of models, where ``ingest_approvals`` is on.

The task of a run leaves both to another run (``--ask-first``) and reports them. Then Airflow asks, in a task that is
skipped where there is nothing to decide, and a second run does what a person has approved, and no more.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowSkipException

from ray_ingest.metrics import record_undecided

if TYPE_CHECKING:
    from airflow.providers.standard.operators.hitl import ApprovalOperator

ANSWER_WITHIN = timedelta(days=1)
"""A question without an answer fails its run then, so that runs that wait do not hold up the schedule for ever."""


def approvals_are_on() -> bool:
    """Whether the site lets people decide. Airflow asks with the Dag file, because it decides which tasks there are."""
    return str(Variable.get("ingest_approvals", default="")).strip().lower() in ("true", "on", "yes", "1")


def approval_task(run_task_id: str, pipeline: str) -> ApprovalOperator:
    """The task that asks about what the report of another task names under ``awaiting``.

    Its rejection fails the Dag run, whose source or model then needs somebody's attention.
    """
    from airflow.providers.standard.operators.hitl import ApprovalOperator

    report = f"ti.xcom_pull(task_ids='{run_task_id}')"
    return ApprovalOperator(
        task_id=f"approve_{run_task_id}",
        subject=f"Ingest of {pipeline}: {{{{ {report}.awaiting | join(' and ') }}}}",
        body=f"{{% for sentence in {report}.awaiting.values() %}}* {{{{ sentence }}}}.\n{{% endfor %}}\n"
        "*Approve* lets a second run do exactly this. *Reject* leaves everything as it is and fails this run.",
        fail_on_reject=True,
        response_timeout=ANSWER_WITHIN,
        retries=0,  # whatever the site's default is: a rejection is an answer
        pre_execute=skip_unless_awaited(run_task_id),
        on_failure_callback=record_undecided(pipeline),
    )


def approved_flags(run_task_id: str) -> dict[str, str]:
    """The flags of the second run that differ from those of the first; an empty one is omitted."""
    removals = f"ti.xcom_pull(task_ids='{run_task_id}').awaiting_removals"
    return {"ask-first": "", "full-refresh": "", "approved-removals": f"{{{{ {removals} | tojson if {removals} }}}}"}


def skip_unless_awaited(run_task_id: str) -> Any:
    """A ``pre_execute`` hook that skips the task when the report of another one names nothing to decide."""

    def check(context: Any) -> None:
        report = context["ti"].xcom_pull(task_ids=run_task_id) or {}
        if not report.get("awaiting"):
            raise AirflowSkipException("There is nothing to decide.")

    return check
