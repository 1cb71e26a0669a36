"""The Airflow plugin of this platform."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_ray.links.job import RayJobLink
from ray_ingest import listener, notes, unannounced
from ray_ingest.deadlines import PartitionDeadline
from ray_ingest.page import registration
from ray_ingest.schedule import DayPartitionTimetable


class RayIngestPlugin(AirflowPlugin):
    """Registers what Airflow's components must know of this platform.

    These are the link from a task to its Ray job, which the UI shows, the listeners, for the scheduler a timetable and
    the reference of the deadlines, and for the API server the page.
    """

    name = "ray_ingest"

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The API of the page, made when the API server asks for it."""
        return registration.fastapi_apps()

    @cached_property
    def react_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The page, described when the API server asks for it."""
        return registration.react_apps()


RayIngestPlugin.operator_extra_links = [RayJobLink()]
RayIngestPlugin.listeners = [listener, notes, unannounced]
RayIngestPlugin.timetables = [DayPartitionTimetable]
RayIngestPlugin.deadline_references = [PartitionDeadline]
