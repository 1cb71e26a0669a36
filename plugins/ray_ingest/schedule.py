"""The schedule of the daily Dags: when their runs start, and which day each run takes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import pendulum
from airflow.exceptions import AirflowTimetableInvalid
from airflow.sdk import CronPartitionTimetable, Variable, get_parsing_context
from airflow.timetables.base import DagRunInfo
from airflow.timetables.trigger import CronPartitionTimetable as CoreCronPartitionTimetable

if TYPE_CHECKING:
    from pendulum import DateTime

DAILY = "0 0 * * *"
"""The cron expression of the daily Dags where no Variable has another one."""

_KEY_FORMAT = "%Y-%m-%d"
_RUN_OFFSET = -1
"""A run takes the day of the start before its own: of a run at 14:15 that is the same day, and of the first run after
midnight the day that has just ended, so that no day ends without a run behind its end."""


class DayPartitionTimetable(CoreCronPartitionTimetable):
    """Runs as often as the cron expression says, each over the partition of a day; backfills have one run for each day.

    Airflow's own timetable would give a backfill a run for each start, 96 a day every 15 minutes, and the first run
    after a weekend without runs the day of the last one. A timetable that is not Airflow's must be registered by a
    plugin and be one of the scheduler's classes, not of the SDK's.
    """

    def validate(self) -> None:
        """As in the base class; an expression such as 30 February is refused, which it would read and never be due."""
        super().validate()
        try:
            self._get_next(pendulum.now("UTC"))
        except ValueError as error:
            raise AirflowTimetableInvalid(str(error)) from error

    def iter_partition_dagrun_infos(self, *, earliest: datetime, latest: datetime) -> Iterable[DagRunInfo]:
        """The runs of a backfill: one for each day from ``earliest`` to ``latest``, both included."""
        daily = CoreCronPartitionTimetable(DAILY, timezone=self._timezone, key_format=self._key_format)
        return daily.iter_partition_dagrun_infos(earliest=earliest, latest=latest)

    def _get_partition_date(self, *, run_date: DateTime) -> DateTime:
        """A moment of the day that a run takes: the start before its own, or a day before, whichever is later."""
        return max(super()._get_partition_date(run_date=run_date), run_date.subtract(days=1))


def daily_schedule(pipeline: str) -> CronPartitionTimetable | DayPartitionTimetable:
    """The schedule of a pipeline's daily Dag: the Variable ``ingest_schedule_<pipeline>``, by default ``DAILY``.

    Airflow reads Dag files every 30 seconds or so, and before each task. The Variable is read in the first case only,
    because a task does not need its Dag's schedule.

    :raises ValueError: the Variable is no cron expression, which is the import error that the UI shows.
    """
    variable = f"ingest_schedule_{pipeline}"
    in_task = get_parsing_context().task_id is not None
    cron = DAILY if in_task else str(Variable.get(variable, default="")).strip() or DAILY
    if cron == DAILY:
        return CronPartitionTimetable(DAILY, timezone="UTC", run_offset=_RUN_OFFSET, key_format=_KEY_FORMAT)
    timetable = DayPartitionTimetable(cron, timezone="UTC", run_offset=_RUN_OFFSET, key_format=_KEY_FORMAT)
    try:
        timetable.validate()
    except AirflowTimetableInvalid as error:
        raise ValueError(
            f"The Airflow Variable {variable} must be a cron expression, such as */15 * * * * or {DAILY}: {cron!r}."
        ) from error
    return timetable
