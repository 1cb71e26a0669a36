"""The one file of this folder that Airflow's plugin loader executes.

Airflow puts the plugins folder on ``sys.path``, so a plain copy of this folder works as well as the installed packages.
"""

from ray_ingest.plugin import RayIngestPlugin

__all__ = ["RayIngestPlugin"]
