"""The deadline of a daily Dag: which runs have one, and what the Variables may hold."""

import asyncio
import sys
from datetime import UTC, datetime, time, timedelta, timezone

import pytest
from airflow import plugins_manager
from airflow.sdk import AsyncCallback, SyncCallback
from airflow.serialization.decoders import decode_deadline_alert
from airflow.serialization.encoders import encode_deadline_alert

from ray_ingest import deadlines
from ray_ingest.deadlines import PartitionDeadline, daily_deadline, deadline_of, log_missed
from ray_ingest.plugin import RayIngestPlugin

DAY = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture(autouse=True)
def plugin(monkeypatch):
    registered = {f"{cls.__module__}.{cls.__qualname__}": cls for cls in RayIngestPlugin.deadline_references}
    monkeypatch.setattr(plugins_manager, "get_deadline_references_plugins", lambda: registered)


@pytest.fixture
def variables(monkeypatch):
    def put(**values):
        for name, value in values.items():
            monkeypatch.setenv(f"AIRFLOW_VAR_{name.upper()}", value)

    return put


@pytest.mark.parametrize("partition", [DAY, DAY + timedelta(hours=23), DAY.astimezone(timezone(timedelta(hours=-8)))])
def test_a_scheduled_run_has_the_time_of_the_day_after_its_partition(partition):
    assert deadline_of(partition, "scheduled", time(6)) == datetime(2026, 2, 1, 6, tzinfo=UTC)


@pytest.mark.parametrize(("partition", "kind"), [(DAY, "manual"), (DAY, "backfill"), (None, "scheduled")])
def test_other_runs_have_no_deadline(partition, kind):
    assert deadline_of(partition, kind, time(6)) is None


def test_without_the_variable_there_is_no_deadline(variables):
    assert daily_deadline() is None
    variables(ingest_deadline=" ")
    assert daily_deadline() is None


def test_the_variable_sets_the_time(variables):
    variables(ingest_deadline="06:30")
    found = daily_deadline()
    assert found.reference == PartitionDeadline(time(6, 30)) and found.interval == timedelta(0)
    assert isinstance(found.callback, AsyncCallback) and found.callback.path == "ray_ingest.deadlines.log_missed"


@pytest.mark.parametrize(("text", "at"), [("06:00", time(6)), ("6:00", time(6)), ("06:00+02:00", time(4))])
def test_a_time_may_have_one_digit_of_an_hour_and_an_offset(variables, text, at):
    variables(ingest_deadline=text)
    found = decode_deadline_alert(encode_deadline_alert(daily_deadline())).reference.inner_ref
    assert deadline_of(DAY, "scheduled", found.at) == datetime.combine(DAY + timedelta(days=1), at, UTC)


@pytest.mark.parametrize("text", ["six", "25:00", "06:00 Uhr", "06.30"])
def test_a_value_that_is_no_time_is_an_error_in_the_log_and_stops_no_run(variables, text, caplog):
    variables(ingest_deadline=text)
    assert daily_deadline() is None
    assert "ingest_deadline must be a time such as 06:00" in caplog.text


async def notify(context):
    """A callback of a site."""


def notify_later(context):
    """Another one."""


@pytest.mark.parametrize(("function", "kind"), [(notify, AsyncCallback), (notify_later, SyncCallback)])
def test_the_site_chooses_the_callback(variables, function, kind, monkeypatch):
    path = f"ray_ingest.deadlines.{function.__name__}"
    monkeypatch.setattr(deadlines, function.__name__, function, raising=False)
    variables(ingest_deadline="06:00", ingest_deadline_callback=path)
    callback = daily_deadline().callback
    assert (type(callback), callback.path) == (kind, path)


@pytest.mark.parametrize("path", ["no_such_module.function", "ray_ingest.deadlines.no_such_function", "nonsense"])
def test_a_callback_that_does_not_exist_is_an_error_in_the_log_and_the_default_remains(variables, path, caplog):
    variables(ingest_deadline="06:00", ingest_deadline_callback=path)
    assert daily_deadline().callback.path == "ray_ingest.deadlines.log_missed"
    assert "ingest_deadline_callback names no function" in caplog.text


@pytest.mark.parametrize("content", ["def page(", "raise RuntimeError('no secret')", "page = 'no function'"])
def test_a_callback_whose_module_is_broken_stops_no_run(variables, content, tmp_path, monkeypatch, caplog):
    (tmp_path / "broken_pager.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_pager", raising=False)
    variables(ingest_deadline="06:00", ingest_deadline_callback="broken_pager.page")
    assert daily_deadline().callback.path == "ray_ingest.deadlines.log_missed"
    assert "ingest_deadline_callback names no function" in caplog.text


def test_without_the_plugin_there_is_an_error_and_no_deadline(variables, monkeypatch, caplog):
    monkeypatch.setattr(plugins_manager, "get_deadline_references_plugins", dict)
    variables(ingest_deadline="06:00")
    assert daily_deadline() is None
    assert "without the plugin ray_ingest" in caplog.text


def test_airflow_keeps_the_deadline_in_the_serialized_dag(variables):
    variables(ingest_deadline="06:30")
    kept = decode_deadline_alert(encode_deadline_alert(daily_deadline()))
    assert kept.reference.inner_ref == PartitionDeadline(time(6, 30))
    assert kept.reference.inner_ref.required_kwargs == {"dag_id", "run_id"}


def test_the_default_callback_names_the_run(caplog):
    run = {"dag_run_id": "scheduled__1", "dag_id": "ingest_pdfs"}
    asyncio.run(log_missed({"dag_run": run, "deadline": {"deadline_time": "2026-02-01 06:00"}}))
    assert "Run scheduled__1 of ingest_pdfs was not done by 2026-02-01 06:00." in caplog.text
