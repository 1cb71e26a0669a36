"""A clock on which each minute is a day: a timetable that a test's Airflow knows beside the platform's own."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk.plugins_manager import AirflowPlugin

from ray_ingest.schedule import DayPartitionTimetable


class GeneratedDays(DayPartitionTimetable):
    """A run each minute: that of `began` takes the day `first`, and each other one the day after the one before."""

    def __init__(self, *, began: str, first: str) -> None:
        super().__init__("* * * * *", timezone="UTC", key_format="%Y-%m-%d")
        self._began, self._first = began, first

    def serialize(self) -> dict[str, Any]:
        return {"began": self._began, "first": self._first}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> GeneratedDays:
        return cls(**data)

    def _get_partition_date(self, *, run_date: Any) -> Any:
        days = (run_date - pendulum.parse(self._began)).in_minutes()
        return pendulum.parse(self._first).add(days=days)


class FastClock(AirflowPlugin):
    name = "fast_clock"
    timetables = (GeneratedDays,)
