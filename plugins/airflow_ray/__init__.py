"""Airflow provider for Ray clusters that are reached over the Ray Jobs API."""

__version__ = "0.1.0"
