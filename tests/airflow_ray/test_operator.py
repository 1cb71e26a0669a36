"""``RayOperator`` and its trigger from the submission to the result, with stand-ins for Ray's dashboard and Airflow.

They show the decisions within seconds. ``tests/dags/test_operator.py`` shows the same with both real.
"""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.execution_time.comms import SetXCom, XComResult

from airflow_ray.exceptions import RayJobError, RayJobFatalError
from airflow_ray.operators.job import RayOperator

LOG = 'hello\nREPORT {"listed": 3}\n'


class Dashboard:
    """Keeps jobs; each runs until its state was asked for three times, and ends with ``exit_code``."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.exit_code = 0
        self.endless = False
        self.url = ""

    async def submit(self, request: web.Request) -> web.Response:
        job = await request.json()
        self.jobs[job["submission_id"]] = {**job, "status": "RUNNING", "driver_node_id": "node", "asked": 0}
        return web.json_response(job)

    async def job(self, request: web.Request) -> web.Response:
        if (job := self.jobs.get(request.match_info["job"])) is None:
            return web.Response(status=404)
        job["asked"] += 1
        if job["status"] == "RUNNING" and job["asked"] > 3 and not self.endless:
            job.update(status="FAILED" if self.exit_code else "SUCCEEDED", driver_exit_code=self.exit_code)
        return web.json_response(job)

    async def stop(self, request: web.Request) -> web.Response:
        self.jobs[request.match_info["job"]]["status"] = "STOPPED"
        return web.json_response({"stopped": True})

    async def tail(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(LOG)
        while self.jobs[request.match_info["job"]]["status"] == "RUNNING":
            await asyncio.sleep(0.01)
        await socket.close()
        return socket

    async def file(self, request: web.Request) -> web.Response:
        return web.Response(text=LOG.splitlines()[-1] + "\n" if request.query["lines"] == "1" else LOG)

    async def version(self, request: web.Request) -> web.Response:
        return web.json_response({"ray_version": "2", "session_name": "session"})

    async def serve(self, started: threading.Event, ended: asyncio.Event) -> None:
        app = web.Application()
        app.router.add_get("/api/version", self.version)
        app.router.add_post("/api/jobs/", self.submit)
        app.router.add_get("/api/jobs/{job}", self.job)
        app.router.add_post("/api/jobs/{job}/stop", self.stop)
        app.router.add_get("/api/jobs/{job}/logs/tail", self.tail)
        app.router.add_get("/api/v0/logs/file", self.file)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"ray://127.0.0.1:{runner.addresses[0][1]}"
        started.set()
        await ended.wait()
        await runner.cleanup()


class Supervisor:
    """Keeps XComs in memory."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] = {}

    async def asend(self, message: Any) -> Any:
        if isinstance(message, SetXCom):
            self.stored[message.key] = message.value
            return None
        return XComResult(key=message.key, value=self.stored.get(message.key))

    def send(self, message: Any) -> None:
        """Takes the secrets that are to be masked."""


class Store(dict[str, Any]):
    """A task state store."""

    set = dict.__setitem__


@pytest.fixture
def dashboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dashboard]:
    dashboard, started, loop, ended = Dashboard(), threading.Event(), asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(dashboard.serve(started, ended),))
    thread.start()
    started.wait()
    monkeypatch.setenv("AIRFLOW_CONN_RAY_DEFAULT", dashboard.url)
    yield dashboard
    loop.call_soon_threadsafe(ended.set)
    thread.join()
    loop.close()


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


def test_a_deferred_task_resumes_with_its_triggers_outcome(dashboard, supervisor):
    task, its_context = operator(), context(supervisor, Store())
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(its_context)

    async def fire() -> Any:
        async for event in deferred.value.trigger.run():
            return event.payload

    resumed = getattr(task, deferred.value.method_name)
    assert resumed(its_context, asyncio.run(fire()), **deferred.value.kwargs) == {"listed": 3}


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


def test_a_job_that_ran_into_a_limit_is_stopped_and_not_adopted(dashboard, supervisor):
    store, task = Store(), operator(deferrable=False, execution_timeout=timedelta(seconds=1))
    dashboard.endless = True
    with pytest.raises(RayJobError, match="execution_timeout of 1 s and was stopped"):
        task.execute(context(supervisor, store))
    (first,) = dashboard.jobs
    assert dashboard.jobs[first]["status"] == "STOPPED"
    dashboard.endless = False
    assert task.execute(context(supervisor, store, try_number=2)) == {"listed": 3}
    assert len(dashboard.jobs) == 2
