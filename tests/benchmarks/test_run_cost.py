"""The cost of runs of the daily Dags, Airflow's share included: one that finds nothing new, and a backfill by days.

    uv run pytest -n 0 -m benchmark -s tests/benchmarks/test_run_cost.py

RUN_OBJECTS (1,000) are the objects of an unchanged day, BACKFILL_DAYS (20) the days of five files each.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from threading import Event, Thread

import psutil
import pytest

from day_world import BUCKET, ROOT, day_world
from embedded.airflow_standalone import FINAL_STATES
from embedded.http import request_json
from embedded.processes import poll
from full_ledger import fill_ledger
from ingest.ledger.alias import ensure_ledger
from ingest.milvus.client import connect
from ingest.store.object_store import list_objects
from store_client import store_client

OBJECTS = int(os.environ.get("RUN_OBJECTS", 1000))
DAYS = int(os.environ.get("BACKFILL_DAYS", 20))
FILES = 5
ROUNDS = 3
DIMENSION = 384
LOOK_SECONDS = 0.3

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def world(minilm_path):
    with day_world(minilm_path, pools=1) as world:
        world.airflow.unpause("ingest_pdfs")
        poll(lambda: all_ended(world, "scheduled"), 300, "the first scheduled run goes on", interval=1)
        yield world


def all_ended(world, run_type):
    runs = world.airflow.api("GET", f"/dags/ingest_pdfs/dagRuns?run_type={run_type}&limit=400")["dag_runs"]
    return runs if runs and all(run["state"] in FINAL_STATES for run in runs) else None


class Meter(Thread):
    """The CPU seconds of the platform's parts, by name, from `start` to `stop`.

    Ray's raylet lets the kernel bury its workers, and the time of a child that nobody waits for is in no other
    process's. So each process is looked at until it ends, and a part of a second before that is missed.
    """

    def __init__(self, parts):
        super().__init__(daemon=True)
        self._parts, self._ended, self._own = parts, Event(), {}
        self._before = self._look()

    def _look(self):
        for part in self._parts:
            for process in part.members():
                with suppress(psutil.NoSuchProcess):
                    self._own[part.name, process.pid, process.create_time()] = sum(process.cpu_times()[:2])
        return dict(self._own)

    def run(self):
        while not self._ended.wait(LOOK_SECONDS):
            self._look()

    def stop(self):
        self._ended.set()
        self.join()
        found = dict.fromkeys((part.name for part in self._parts), 0.0)
        for key, seconds in self._look().items():
            found[key[0]] += seconds - self._before.get(key, 0.0)
        return found


@contextmanager
def measured(world, figures):
    """Adds the wall time of the block and the CPU seconds of each part during it."""
    meter, started = Meter(world.platform.parts), time.monotonic()
    meter.start()
    yield
    figures["wall"] = time.monotonic() - started
    figures["cpu"] = meter.stop()


def shown(figures):
    parts = ", ".join(f"{name} {cpu:.1f}" for name, cpu in figures["cpu"].items())
    return f"{figures['wall']:.1f} s, {sum(figures['cpu'].values()):.1f} CPU s ({parts})"


def timeline(world, run_id):
    """Seconds from the request for a run to: its start, its task's, its job's, the job's end and the run's end."""
    run = world.airflow.run("ingest_pdfs", run_id)
    (task,) = world.airflow.task_instances("ingest_pdfs", run_id)
    job_id = world.airflow.xcom("ingest_pdfs", run_id, "ingest", "submission_id")
    ray = world.platform.ray
    job = request_json("GET", f"{ray.dashboard_url}/api/jobs/{job_id}", headers=ray.headers())
    began = datetime.fromisoformat(run["queued_at"]).timestamp()
    moments = [datetime.fromisoformat(moment).timestamp() for moment in (run["start_date"], task["start_date"])]
    moments += [job["start_time"] / 1000, job["end_time"] / 1000, datetime.fromisoformat(run["end_date"]).timestamp()]
    return " ".join(f"{moment - began:.1f}" for moment in moments)


def test_a_run_that_finds_nothing_new(world):
    days = [str(date(2025, 1, 31) - timedelta(days=number)) for number in range(4)]
    store = world.platform.object_store
    keys = [f"pdfs/{day}/{number:06}.pdf" for day in days for number in range(OBJECTS)]
    client = store.client()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: client.put_object(Bucket=BUCKET, Key=key, Body=key.encode()), keys))
    run_id = world.day(days[0], lookback_days=0, dry_run=True)
    fingerprint = world.end("ingest_pdfs", run_id).report["fingerprint"]
    ledger = connect(world.platform.milvus.uri)
    ensure_ledger(ledger, "sources", DIMENSION)
    with store_client(store.environment()):
        listed = [each for each in list_objects(ROOT, (".pdf",)) if "/2025-" in each.source]
    fill_ledger(ledger, "sources", listed, fingerprint, DIMENSION)
    idle = {}
    with measured(world, idle):
        time.sleep(20)
    print(f"\nidle for {shown(idle)}")
    for lookback in (0, 3):
        for _ in range(ROUNDS):
            figures = {}
            with measured(world, figures):
                run_id = world.day(days[0], lookback_days=lookback)
                report = world.end("ingest_pdfs", run_id).report
            assert report["unchanged"] == report["listed"] == OBJECTS * (lookback + 1)
            print(
                f"{lookback + 1} x {OBJECTS} objects: {shown(figures)}; the job's own time {report['seconds']:.1f} s; "
                f"run, task, job, its end, end: {timeline(world, run_id)}"
            )


def test_a_run_for_each_day_against_one_run_over_all_of_them(world):
    first = date(2026, 1, 1)
    days = [str(first + timedelta(days=number)) for number in range(DAYS)]
    for day in days:
        for name in range(FILES):
            world.put(f"{day}/{name}.pdf")
    found = {}
    with measured(world, found):
        world.airflow.backfill("ingest_pdfs", days[0], days[-1], max_active_runs=2)
        runs = poll(lambda: all_ended(world, "backfill"), 3000, "the backfill goes on", interval=1)
    assert [run["state"] for run in runs] == ["success"] * DAYS
    print(f"\n{DAYS} runs of {FILES} objects: {shown(found)}")
    for run in runs[-3:]:
        print(f"  run, task, job, its end, end: {timeline(world, run['dag_run_id'])}")
    by_days, _ = world.stored()
    world.airflow.api("POST", "/variables", {"key": "ingest_collection_prefix", "value": "one_"})
    one = {}
    with measured(world, one):
        run_id = world.airflow.trigger("ingest_pdfs", {"source": f"{ROOT}2026-"})["dag_run_id"]
        assert world.end("ingest_pdfs", run_id).report["added"] == DAYS * FILES
    print(f"one run over all of them: {shown(one)}\n  run, task, job, its end, end: {timeline(world, run_id)}")
    in_one, _ = world.stored("one_")
    assert in_one == {source: ids for source, ids in by_days.items() if "/2026-" in source}
