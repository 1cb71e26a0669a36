"""Warns in a task's log where nobody stops the Ray jobs that tasks leave behind."""

from __future__ import annotations

import logging
from typing import Any

CLEANER = "clean_ray_jobs"
"""The Dag that stops them."""

_CONSEQUENCE = "the Ray job of a task that is marked while no triggerer watches it runs on to its end."

log = logging.getLogger(__name__)


def warn_without_cleaner(context: Any) -> None:
    """Log a warning if CLEANER is paused, as every new Dag is, or missing. A ``pre_execute`` hook of a task."""
    from airflow.sdk.exceptions import AirflowRuntimeError

    try:
        paused = context["ti"].get_dag(CLEANER).is_paused
    except AirflowRuntimeError as error:
        if (error.error.detail or {}).get("status_code") == 404:
            log.warning("There is no Dag %s; without it, %s", CLEANER, _CONSEQUENCE)
        return
    if paused:
        log.warning("The Dag %s is paused; unpause it, because without it, %s", CLEANER, _CONSEQUENCE)
