"""The note of a run, which the list of runs shows: one line with the counts for each task that ingested.

A task cannot write the note of its run (Airflow 3.3), so it leaves its line as an XCom. When the run ends, this
listener puts the lines together in the scheduler. A note that a person has written stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

NOTE_KEY = "ray_ingest_note"
"""The listener hears of the runs of all Dags, of which some may have notes of their own among their XComs."""
#: Airflow stores notes of at most 1,000 characters.
MAX_NOTE = 1000
_COUNTS = {
    **{name: name for name in ("added", "changed", "deleted", "unchanged", "failed")},
    "kept": "missing and kept",
}


def leave_note(context: Any, report: Mapping[str, Any] | None) -> None:
    """Leave the line of a task for its run's note."""
    if report:
        context["ti"].xcom_push(key=NOTE_KEY, value=note_of(report))


def leave_note_of_failure(context: Any) -> None:
    """An ``on_failure_callback``: as ``leave_note``, where the failed job has a report."""
    leave_note(context, getattr(context.get("exception"), "report", None))


def note_of(report: Mapping[str, Any]) -> str:
    """The counts of a report that are not 0, such as ``3 added, 12 unchanged, 1 failed; 40 rows written``."""
    counts = [f"{report[name]} {words}" for name, words in _COUNTS.items() if report.get(name)] or ["nothing to do"]
    rows = [f"{report[f'rows_{verb}']} rows {verb}" for verb in ("written", "deleted") if report.get(f"rows_{verb}")]
    dry = ["dry run"] if report.get("dry_run") else []
    return "; ".join([*dry, ", ".join(counts), *rows])


@hookimpl
def on_dag_run_success(dag_run: DagRun) -> None:
    """Write the note of a run that has succeeded."""
    write_note(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: DagRun) -> None:
    """Write the note of a run that has failed."""
    write_note(dag_run)


def write_note(dag_run: DagRun) -> None:
    """Put the lines of a run's tasks together as its note, in the session of the caller, who commits it."""
    from airflow.models.xcom import XComModel
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    written = dag_run.dag_run_note
    if session is None or (written is not None and written.user_id is not None):
        return
    of_run = select(XComModel).where(XComModel.dag_run_id == dag_run.id, XComModel.key == NOTE_KEY)
    # The scheduler's session commits for nobody else, not even a savepoint.
    with session.no_autoflush:
        found = session.scalars(of_run.order_by(XComModel.timestamp)).all()
    lines = [f"{xcom.task_id}: {XComModel.deserialize_value(xcom)}" for xcom in found]
    if lines:
        dag_run.note = "\n".join(lines)[:MAX_NOTE]
