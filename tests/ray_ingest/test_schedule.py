"""The schedule of the daily Dags by their Variable: which day a run takes, and how many runs a backfill has."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pendulum
import pytest
from airflow.sdk import CronPartitionTimetable
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import DagRunInfo, TimeRestriction

from ray_ingest.plugin import RayIngestPlugin
from ray_ingest.schedule import DayPartitionTimetable, daily_schedule

HOURLY, QUARTERLY = "0 * * * *", "*/15 * * * *"


@pytest.fixture
def scheduled(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The timetable of the PDFs' daily Dag with this Variable, as the scheduler has it."""
    registered = {f"{each.__module__}.{each.__qualname__}": each for each in RayIngestPlugin.timetables}
    monkeypatch.delenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", raising=False)  # Airflow's context manager leaves it
    monkeypatch.setattr("airflow.plugins_manager.get_timetables_plugins", lambda: registered)

    def timetable(cron: str) -> Any:
        monkeypatch.setenv("AIRFLOW_VAR_INGEST_SCHEDULE_PDFS", cron)
        return decode_timetable(encode_timetable(daily_schedule("pdfs")))

    return timetable


def day_of_run(timetable: Any, at: str) -> str:
    """The partition key of the run that starts then."""
    start = pendulum.instance(datetime.fromisoformat(at).replace(tzinfo=UTC))
    before = DagRunInfo(
        run_after=start.subtract(seconds=1), data_interval=None, partition_date=None, partition_key=None
    )
    everything = TimeRestriction(earliest=None, latest=None, catchup=True)
    info = timetable.next_dagrun_info_v2(last_dagrun_info=before, restriction=everything)
    assert info.run_after == start
    return str(info.partition_key)


@pytest.mark.parametrize(
    ("cron", "at", "day"),
    [
        ("0 0 * * *", "2026-02-01T00:00", "2026-01-31"),
        ("30 4 * * *", "2026-02-01T04:30", "2026-01-31"),
        (HOURLY, "2026-01-31T14:00", "2026-01-31"),
        (QUARTERLY, "2026-01-31T14:15", "2026-01-31"),
        (QUARTERLY, "2026-01-31T23:45", "2026-01-31"),
        (QUARTERLY, "2026-02-01T00:00", "2026-01-31"),
        (QUARTERLY, "2026-02-01T00:15", "2026-02-01"),
        ("30 6-20 * * *", "2026-02-01T06:30", "2026-01-31"),
        ("30 6-20 * * *", "2026-02-01T07:30", "2026-02-01"),
        ("30 6-20 * * 1-5", "2026-02-02T06:30", "2026-02-01"),
        ("0 0 * * 0", "2026-02-01T00:00", "2026-01-31"),
        ("@hourly", "2026-01-31T01:00", "2026-01-31"),
    ],
)
def test_a_run_takes_the_current_day_and_the_first_one_after_midnight_the_day_before(
    scheduled: Any, cron: str, at: str, day: str
):
    assert day_of_run(scheduled(cron), at) == day


@pytest.mark.parametrize("cron", ["0 0 * * *", HOURLY, QUARTERLY, "30 6-20 * * *"])
def test_a_backfill_has_one_run_for_each_day(scheduled: Any, cron: str):
    first = datetime(2026, 1, 30, tzinfo=UTC)
    infos = scheduled(cron).iter_partition_dagrun_infos(earliest=first, latest=first + timedelta(days=2))
    assert [info.partition_key for info in infos] == ["2026-01-30", "2026-01-31", "2026-02-01"]


def test_the_variable_is_of_one_pipeline_and_without_it_the_timetable_is_airflows_own(scheduled: Any):
    assert isinstance(scheduled(HOURLY), DayPartitionTimetable)
    assert type(daily_schedule("images")) is CronPartitionTimetable


@pytest.mark.parametrize("cron", ["", " \n", "0 0 * * *\n"])
def test_an_empty_variable_is_the_default(scheduled: Any, cron: str):
    scheduled(cron)
    assert type(daily_schedule("pdfs")) is CronPartitionTimetable


def test_a_task_does_not_ask_for_the_variable(scheduled: Any, monkeypatch: pytest.MonkeyPatch):
    scheduled(HOURLY)
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", "ingest")
    assert type(daily_schedule("pdfs")) is CronPartitionTimetable


@pytest.mark.parametrize("cron", ["hourly", "61 * * * *", "* * *", "0 0 30 2 *"])
def test_a_variable_that_is_no_cron_expression_or_never_due_is_named(scheduled: Any, cron: str):
    with pytest.raises(ValueError, match="Variable ingest_schedule_pdfs must be a cron expression"):
        scheduled(cron)
