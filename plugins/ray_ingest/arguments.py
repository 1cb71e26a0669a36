"""The flags with which a task has begun, which count to its end whatever the Variables become meanwhile.

Airflow renders a task's templates once more when it goes on after its deferral. A Variable that somebody has changed or
deleted since would tell another source than the job has read, or fail a task whose job has succeeded.
"""

from __future__ import annotations

from typing import Any

_KEY = "ray_ingest_arguments"


def keep_arguments(context: Any) -> None:
    """Keep the rendered flags of a task that begins, for itself and for the task that does what is approved."""
    value = {"try_number": context["ti"].try_number, "arguments": context["task"].arguments}
    context["ti"].xcom_push(key=_KEY, value=value)


def begun_arguments(context: Any) -> dict[str, Any] | None:
    """The flags with which this try has begun; None if it begins now.

    Airflow deletes what an earlier try has pushed only after it has rendered the templates.
    """
    ti = context["ti"]
    kept = ti.xcom_pull(task_ids=ti.task_id, key=_KEY) or {}
    return dict(kept["arguments"]) if kept.get("try_number") == ti.try_number else None


def kept_arguments(context: Any, task_id: str) -> dict[str, Any]:
    """The flags that another task has kept."""
    return dict((context["ti"].xcom_pull(task_ids=task_id, key=_KEY) or {}).get("arguments", {}))
