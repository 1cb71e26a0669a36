"""The events of the outlet assets, which start downstream Dags: when there are any, and for which partitions.

A task registers its events by ending as success, so each ending announces its changes once. Two rules:

1. A run that changed no rows (dry runs, unchanged prefixes) has no events. An earlier attempt of the same task may have
   written rows and failed, though. Its successor finds them unchanged, so a success after a failure always has events.
   What a run leaves that ends without events, is announced after the next success (``ray_ingest.unannounced``).
2. Every event has a partition key: the day in the changed prefix, or else the prefix itself. Airflow (3.3) starts
   partition-aware Dags only from events with a key. For the other Dags, which such events do not start,
   ``ray_ingest.listener`` adds an event without one.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from typing import Any

from airflow_ray.job_ids import clear_epoch
from airflow_ray.job_record import JobRecord
from ray_ingest import unannounced
from ray_ingest.assets import PARTITIONS_KEY

_ATTEMPTS_KEY = "unannounced_attempts"
_COMPLETE_DAY_KEY = "last_complete_day"
"""The key in the state of each outlet with the latest day of whose objects none waits for another run."""
_COUNTS = ("added", "changed", "deleted")
_LAST_RUN = (
    "run_id", "source", "fingerprint", "models", "collection", "dry_run", "listed", *_COUNTS, "unchanged", "failed",
    "rows_written", "rows_deleted", "unmigrated",
)  # fmt: skip
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
#: Airflow stores keys of at most 250 characters.
_KEY_LENGTH = 250

Hook = Callable[[Any], None]


def before_attempt(check: Hook | None) -> Hook:
    """A ``pre_execute`` hook that calls ``check`` once and then records the attempt, until ``announce`` is called."""

    def hook(context: Any) -> None:
        attempts, this = _attempts(context), context["ti"].try_number
        if this in attempts:  # the task was deferred, and comes here again
            return
        if check is not None:
            check(context)
        context["task_state_store"].set(_ATTEMPTS_KEY, [*attempts, this])
        arguments = context["task"].arguments or {}
        if arguments.get("dry-run") not in (True, "True"):
            sources = arguments.get("source") or []
            unannounced.intend(context, _partitions(context, [sources] if isinstance(sources, str) else sources))

    return hook


def announce(context: Any, report: Mapping[str, Any] | None) -> None:
    """A ``post_execute`` hook: gives the events their partition keys, or drops the outlets when nothing has changed.

    :param report: the report of the job, whose counts say what has changed; without them, something has.
    """
    task, report = context["task"], report or {}
    for outlet in task.outlets:
        context["asset_state_store"][outlet].set("last_run", {key: report[key] for key in _LAST_RUN if key in report})
    day = _complete_day(context, report)
    for outlet in task.outlets if day else ():
        state = context["asset_state_store"][outlet]
        state.set(_COMPLETE_DAY_KEY, max(day, state.get(_COMPLETE_DAY_KEY) or day))
    keys = [] if report.get("dry_run") else sorted(_changed_partitions(context, report))
    unannounced.intend(context, set(), announced=None if report.get("dry_run") else keys)
    log = logging.getLogger("airflow.task")
    if not keys:
        log.info("No rows have changed: no asset events.")
        task.outlets = []
    else:
        log.info("Asset events for the partitions %s.", ", ".join(keys))
        for outlet in task.outlets:
            event = context["outlet_events"][outlet]
            event.add_partitions(keys)
            event.extra[PARTITIONS_KEY] = keys
    context["task_state_store"].set(_ATTEMPTS_KEY, [])


def leave_to_next_run(context: Any) -> None:
    """An ``on_failure_callback``: of the partitions of the run, the next one is to announce those that have changed.

    Without a report, all of them may have, unless the task failed before it had a job.
    """
    report = getattr(context.get("exception"), "report", None)
    if report:
        unannounced.intend(context, set() if report.get("dry_run") else _changed_partitions(context, report))
    elif JobRecord(context).submission_id is None:
        unannounced.intend(context, set())
    # Otherwise the task would announce them once more if somebody clears it after that run.
    context["task_state_store"].set(_ATTEMPTS_KEY, [])


def partition_key(source: str, of_run: str | None) -> str:
    """The partition that a prefix belongs to: the run's or another day in it, or else the prefix, cut with a digest."""
    folders = source.split("/")
    if of_run is not None and of_run in folders:
        return of_run
    if days := [folder for folder in folders if _DAY.fullmatch(folder)]:
        return days[-1]
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    return source if len(source) <= _KEY_LENGTH else f"{source[: _KEY_LENGTH - 17]}~{digest}"


def _complete_day(context: Any, report: Mapping[str, Any]) -> str:
    """The day of the run if it was over and none of its objects waits for another run or a person; else ``""``."""
    key = context["dag_run"].partition_key or ""
    by_source: Mapping[str, Mapping[str, int]] = report.get("by_source") or {}
    of_day = [counts for source, counts in by_source.items() if partition_key(source, key) == key] or [report]
    goes_on = context["ti"].start_date.astimezone(UTC).date().isoformat() <= key
    is_incomplete = (
        goes_on or report.get("dry_run") or "removals" in report.get("awaiting", ()) or any(map(_waits, of_day))
    )
    return key if _DAY.fullmatch(key) and not is_incomplete else ""


def _waits(counts: Mapping[str, int]) -> bool:
    """Whether the run has left objects out, or some have failed that the next one tries again."""
    done = sum(counts.get(name, 0) for name in ("added", "changed", "unchanged"))
    return counts.get("listed") != done or bool(counts.get("to_retry"))


def _attempts(context: Any) -> list[int]:
    attempts = context["task_state_store"].get(_ATTEMPTS_KEY)
    if attempts is None and clear_epoch(context["ti"].max_tries or 0, context["task"].retries or 0):
        return [0]  # Airflow 3.4 forgets them when a task is cleared: one of them may have written rows
    return list(attempts or [])


def _has_changes(report: Mapping[str, Any]) -> bool:
    counts = [report[key] for key in ("rows_written", "rows_deleted") if key in report]
    return any(counts) or not counts


def _changed_partitions(context: Any, report: Mapping[str, Any]) -> set[str]:
    """Those of the sources that this attempt has changed; of all its sources where an earlier one may have."""
    failed_before = [attempt for attempt in _attempts(context) if attempt != context["ti"].try_number]
    if not (_has_changes(report) or failed_before):
        return set()
    by_source: Mapping[str, Mapping[str, int]] = report.get("by_source") or {}
    changed = [source for source, counts in by_source.items() if any(counts.get(key) for key in _COUNTS)]
    if failed_before or not changed:
        changed = list(by_source) or ([report["source"]] if report.get("source") else [])
    return _partitions(context, changed)


def _partitions(context: Any, sources: Iterable[str]) -> set[str]:
    run = context["dag_run"]
    keys = {partition_key(source, run.partition_key) for source in sources}
    return keys or {run.partition_key or partition_key(run.run_id, None)}
