"""The Airflow plugin of this platform."""

from __future__ import annotations

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

    _apps: list[Any] | None = None

    @property
    def fastapi_apps(self) -> list[Any]:
        """The API of the page, made when the API server asks for it: its modules take a second to load."""
        if self._apps is None:
            self._apps = registration.fastapi_apps()
        return self._apps

    @fastapi_apps.setter
    def fastapi_apps(self, apps: list[Any]) -> None:
        # Airflow's attribute can be set, and so can this one.
        self._apps = apps


RayIngestPlugin.operator_extra_links = [RayJobLink()]
RayIngestPlugin.listeners = [listener, notes, unannounced]
RayIngestPlugin.timetables = [DayPartitionTimetable]
RayIngestPlugin.deadline_references = [PartitionDeadline]
RayIngestPlugin.react_apps = registration.react_apps()
