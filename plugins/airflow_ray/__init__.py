"""Airflow provider for Ray clusters that are reached over the Ray Jobs API."""
