"""``RayOperator`` and its trigger from the submission to the result, with stand-ins for Ray's dashboard and Airflow.

They show the decisions within seconds. ``tests/dags/test_operator.py`` shows the same with both real.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.execution_time.comms import GetTaskStates, SetXCom, TaskStatesResult, XComResult

from airflow_ray.exceptions import RayJobError, RayJobFatalError
from airflow_ray.operators.job import RayOperator
from embedded.dashboard import Dashboard
from ray_jobs_api.job_outcome import JobOutcome


class Supervisor:
    """Keeps XComs in memory, and says that the task is in `state`."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] = {}
        self.state: str | None = "running"

    async def asend(self, message: Any) -> Any:
        if isinstance(message, SetXCom):
            self.stored[message.key] = message.value
            return None
        return XComResult(key=message.key, value=self.stored.get(message.key))

    def send(self, message: Any) -> Any:
        """Takes the secrets that are to be masked, too."""
        return (
            TaskStatesResult(task_states={"run": {"task": self.state}}) if isinstance(message, GetTaskStates) else None
        )


class Store(dict[str, Any]):
    """A task state store."""

    set = dict.__setitem__


@pytest.fixture
def dashboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dashboard]:
    with Dashboard() as dashboard:
        monkeypatch.setenv("AIRFLOW_CONN_RAY_DEFAULT", dashboard.url.replace("http", "ray"))
        yield dashboard


@pytest.fixture
def supervisor(supervise: Any) -> Supervisor:
    supervisor = Supervisor()
    supervise(supervisor)
    return supervisor


def operator(**options: Any) -> RayOperator:
    with DAG("dag", schedule=None):
        return RayOperator(task_id="task", entrypoint="x", **{"retries": 2, "poll_interval": 0.05, **options})


def context(supervisor: Supervisor, store: Store, *, try_number: int = 1, cleared: int = 0) -> Any:
    """The context of a try; ``cleared`` is the number of tries before the last clear."""
    ti = SimpleNamespace(
        dag_id="dag",
        run_id="run",
        task_id="task",
        map_index=-1,
        max_tries=cleared + 2,
        try_number=try_number,
        start_date=datetime.now(UTC),
        xcom_push=lambda key, value: supervisor.stored.update({key: value}),
    )
    run = SimpleNamespace(start_date=datetime(2026, 1, 31, tzinfo=UTC))
    return {"ti": ti, "dag_run": run, "task_state_store": store, "outlet_events": {}}


def test_a_job_is_submitted_watched_and_its_report_returned(dashboard, supervisor):
    report = operator(deferrable=False).execute(context(supervisor, Store()))
    assert report == {"listed": 3}
    (submission_id,) = dashboard.jobs
    assert supervisor.stored["submission_id"] == submission_id


def test_a_deferred_task_resumes_with_its_triggers_outcome_and_not_at_once(dashboard, supervisor, monkeypatch):
    monkeypatch.setattr("airflow_ray.triggers.job.EARLIEST_EVENT", 1.0)
    task, its_context = operator(), context(supervisor, Store())
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(its_context)

    async def fire() -> Any:
        async for event in deferred.value.trigger.run():
            return event.payload

    began = time.monotonic()
    event = asyncio.run(fire())
    assert time.monotonic() - began >= 1.0
    resumed = getattr(task, deferred.value.method_name)
    assert resumed(its_context, event, **deferred.value.kwargs) == {"listed": 3}


@pytest.mark.parametrize(
    ("exit_codes", "error", "reason"),
    [(None, RayJobError, "job_error"), ({3: "too_many_failed"}, RayJobFatalError, "too_many_failed")],
)
def test_exit_codes_have_the_meaning_that_the_operator_was_given(dashboard, supervisor, exit_codes, error, reason):
    dashboard.exit_code = 3
    with pytest.raises(error, match=rf"failed \({reason}, exit code 3\)"):
        operator(deferrable=False, exit_codes=exit_codes).execute(context(supervisor, Store()))


def test_a_cleared_task_stops_its_old_job_and_a_retry_finds_it(dashboard, supervisor):
    store, task = Store(), operator(deferrable=True)
    dashboard.endless = True
    for _ in range(2):  # the second try finds the job of the first
        with pytest.raises(TaskDeferred):
            task.execute(context(supervisor, store, try_number=len(dashboard.jobs) + 1))
    (first,) = dashboard.jobs
    with pytest.raises(TaskDeferred):
        task.execute(context(supervisor, store, try_number=3, cleared=2))
    assert len(dashboard.jobs) == 2
    assert dashboard.jobs[first]["status"] == "STOPPED"


def test_the_trigger_of_an_earlier_try_does_not_end_this_one(dashboard, supervisor):
    store, task = Store(), operator()
    dashboard.endless = True
    with pytest.raises(TaskDeferred):
        task.execute(context(supervisor, store))
    (first,) = dashboard.jobs
    cleared = context(supervisor, store, try_number=2, cleared=1)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(cleared)
    late = JobOutcome(first, "STOPPED").to_event()
    with pytest.raises(TaskDeferred) as again:
        task.resume(cleared, late, **deferred.value.kwargs)
    assert again.value.trigger.submission_id == deferred.value.trigger.submission_id != first
    assert len(dashboard.jobs) == 2


@pytest.mark.parametrize("state", ["failed", "restarting", None])
def test_a_task_that_was_marked_or_cleared_while_it_submitted_stops_its_job(dashboard, supervisor, state):
    dashboard.endless, supervisor.state = True, state
    with pytest.raises(RayJobError, match="Airflow ended its task"):
        operator().execute(context(supervisor, Store()))
    assert [job["status"] for job in dashboard.jobs.values()] == ["STOPPED"]


def test_a_job_that_ran_into_a_limit_is_stopped_and_not_adopted(dashboard, supervisor):
    store, task = Store(), operator(deferrable=False, execution_timeout=timedelta(seconds=1))
    dashboard.endless = True
    with pytest.raises(RayJobError, match="execution_timeout of 1 s and was stopped"):
        task.execute(context(supervisor, store))
    (first,) = dashboard.jobs
    assert dashboard.jobs[first]["status"] == "STOPPED"
    dashboard.endless = False
    assert operator(deferrable=False).execute(context(supervisor, store, try_number=2)) == {"listed": 3}
    assert len(dashboard.jobs) == 2


@pytest.mark.parametrize("ahead", [-7200, 7200])
def test_clocks_that_differ_change_no_limit(dashboard, supervisor, ahead):
    dashboard.clock = lambda: time.time() + ahead
    task = operator(deferrable=False, job_timeout=3600, pending_timeout=3600)
    assert task.execute(context(supervisor, Store())) == {"listed": 3}


def test_a_job_timeout_counts_by_the_clock_of_ray(dashboard, supervisor):
    dashboard.clock, dashboard.endless, dashboard.age = lambda: time.time() + 7200, True, 3600
    with pytest.raises(RayJobError, match="job_timeout of 1800 s and was stopped"):
        operator(deferrable=False, job_timeout=1800).execute(context(supervisor, Store()))


def test_why_a_job_never_began_is_in_the_error_and_all_that_ray_says_in_the_log(dashboard, supervisor, monkeypatch):
    end = "OSError: [Errno 28] No space left on device"
    frame = '  File "/x/ray/_private/runtime_env/working_dir.py", line 260, in create\n    x = await y\n'
    begins = "runtime_env setup failed: no.\n[Node a] Traceback (most recent call last):\n"
    dashboard.refusal = f"{begins}{frame * 30}{end}\n"
    task, logged = operator(deferrable=False), []
    monkeypatch.setattr(type(task.log), "error", lambda _, text, *values: logged.append(text % values), raising=False)
    with pytest.raises(RayJobError) as caught:
        task.execute(context(supervisor, Store()))
    assert f"could not be set up (working_dir: {end}). Check working_dir" in str(caught.value)
    assert any(text.endswith(dashboard.refusal) for text in logged)
