"""The Airflow plugin of this platform."""

from __future__ import annotations

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_ray.links.job import RayJobLink
from ray_ingest import listener, notes, unannounced
from ray_ingest.deadlines import PartitionDeadline
from ray_ingest.schedule import DayPartitionTimetable


class RayIngestPlugin(AirflowPlugin):
    """Registers what Airflow's components must know of this platform.

    These are the link from a task to its Ray job, which the UI shows, the listeners, and for the scheduler a timetable
    and the reference of the deadlines.
    """

    name = "ray_ingest"


RayIngestPlugin.operator_extra_links = [RayJobLink()]
RayIngestPlugin.listeners = [listener, notes, unannounced]
RayIngestPlugin.timetables = [DayPartitionTimetable]
RayIngestPlugin.deadline_references = [PartitionDeadline]
