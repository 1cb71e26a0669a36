"""The one file of this folder that Airflow's plugin loader executes.

Airflow puts the plugins folder on ``sys.path``, so a plain copy of this folder works as well as the installed package.
"""

from __future__ import annotations

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_ray.links import RayJobLink


class RayIngestPlugin(AirflowPlugin):
    """Registers the link from a task to its Ray job, which the UI needs to show it."""

    name = "ray_ingest"


RayIngestPlugin.operator_extra_links = [RayJobLink()]
