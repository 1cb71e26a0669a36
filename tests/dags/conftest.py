"""One Airflow for the Dag tests: the demo runs on it, and then the Dags run stand-in jobs.

An Airflow task mostly waits, so the tests' runs overlap: a test says with `@begins` which run it is about, all of these
runs begin when Airflow is up, and fixture `begun` hands each test its own.
"""

import hashlib
import importlib.util
import inspect
import io
import json
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

import demo
from embedded.airflow_standalone import FINAL_STATES, QUICK_TO_NOTICE, AirflowComponent, AirflowStandalone
from embedded.demo_models import PackagedModels
from embedded.gateway import Gateway
from embedded.http import request_json
from embedded.platform import Platform
from embedded.ports import free_ports
from embedded.processes import poll, send
from embedded.progress import Progress
from embedded.prometheus import Prometheus, installed
from embedded.ray_head import RayHead
from embedded.ray_metrics import RayMetrics
from embedded.statsd_exporter import StatsdExporter
from ray_ingest.job_scripts import COLLECTIONS
from stage_metrics import Metrics

REPOSITORY = Path(__file__).parents[2]
JOBS = REPOSITORY / "tests" / "jobs"
STAND_IN_SITE = {
    "ingest_source_root": "s3://somewhere",
    "ingest_jobs_dir": str(JOBS),
}
PAGERS = {"images": "pager.page", "videos": "pager.page_later"}
"""The functions that a site has for missed deadlines, by pipeline; that of the PDFs has none."""
CONSUMERS = ("documents_changed", "documents_by_day")
"""The examples that start when documents have changed."""
NO_PARAMETERS = SimpleNamespace(params={})


@dataclass
class Stage:
    """Airflow and the Ray head that its connection ``ray_default`` names, with questions that several tests ask."""

    airflow: AirflowStandalone
    ray: RayHead
    gateway: Gateway
    milvus_uri: str
    metrics: Metrics
    replacements: dict[str, AirflowComponent] = field(default_factory=dict)
    begun: dict[str, Any] = field(default_factory=dict)
    held_back: set[str] | None = None
    demo_output: str = ""

    @property
    def folder(self) -> Path:
        """Here are the `pages` of the callbacks of deadlines, and if its provider is installed `lineage.jsonl`."""
        return self.airflow.folder.parent

    def use_stand_in_jobs(self) -> None:
        """The Dags' site is one that does not exist, their jobs are stand-ins, and Ray is behind the gateway."""
        connection = {
            "connection_id": "ray_default",
            "conn_type": "ray",
            "host": self.gateway.url,
            "password": self.ray.auth_token,
            "extra": json.dumps({"dashboard_url": self.ray.dashboard_url}),
        }
        self.airflow.api("PATCH", "/connections/ray_default", connection)
        milvus = {"connection_id": "milvus_default", "conn_type": "milvus", "host": "milvus", "password": "t:secret"}
        self.airflow.api("PATCH", "/connections/milvus_default", milvus)
        for variable in self.airflow.api("GET", "/variables?limit=100")["variables"]:
            self.airflow.api("DELETE", f"/variables/{variable['key']}")
        for key, value in STAND_IN_SITE.items():
            self.airflow.api("POST", "/variables", {"key": key, "value": value})
        for pipeline in COLLECTIONS:  # until all runs begin
            self.airflow.api("PATCH", f"/dags/ingest_{pipeline}", {"is_paused": True})

    def component(self, name: str) -> list[psutil.Process]:
        """All processes of the running scheduler or triggerer, first its own."""
        if name in self.replacements:
            return self.replacements[name].members()[1:]
        return self.airflow.component(name)

    def kill_component(self, name: str) -> None:
        """SIGKILL the scheduler or triggerer with everything that it started."""
        send(signal.SIGKILL, self.component(name))

    def replace_component(self, name: str) -> None:
        """Start another scheduler or triggerer; it serves this test and those after it."""
        folder = self.airflow.folder / f"{name}-{time.time_ns()}"
        self.replacements[name] = AirflowComponent(self.airflow, name, folder).start()

    def start(self, case: str, *behave: str) -> str:
        """Trigger a case with a behaviour; returns the run's id."""
        return self.trigger(case, {"behave": [str(word) for word in behave]})

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None, partition_key: str | None = None) -> str:
        """Trigger a Dag with its form; returns the run's id."""
        self.open(dag_id)
        return str(self.airflow.trigger(dag_id, conf, partition_key)["dag_run_id"])

    def open(self, dag_id: str) -> None:
        """Let the Dag's runs go on, once it is there; while runs begin, only when all of them have."""
        self.airflow.wait_dag(dag_id)
        if self.held_back is None:
            self.airflow.unpause(dag_id)
        else:
            self.held_back.add(dag_id)

    def begin(self, items: list[pytest.Item]) -> None:
        """Begin the runs of the tests that are marked `begins`: requests first, as tasks leave them little time."""
        self.held_back = set()
        for item in items:
            if mark := item.get_closest_marker("begins"):
                known = {"stage": self, "end": self.end_of(item), **getattr(item, "callspec", NO_PARAMETERS).params}
                wanted = inspect.signature(mark.args[0]).parameters
                self.begun[item.nodeid] = mark.args[0](**{name: known[name] for name in wanted})
        opened, self.held_back = self.held_back, None
        for dag_id in opened:
            if not dag_id.startswith("case_"):
                self.open(dag_id)
        # In one request, because the tasks that begin now are writing to the database too.
        self.airflow.api("PATCH", "/dags?dag_id_pattern=case_%25", {"is_paused": False})

    def end_of(self, item: pytest.Item) -> Path:
        """The file whose appearance ends the test's job, where that runs `until` it."""
        return self.airflow.folder / hashlib.sha256(item.nodeid.encode()).hexdigest()

    def quiet(self) -> None:
        """Wait until no run is going on, but for those of the paused `ingest_often`, which stay as they are."""

        def ended() -> bool:
            runs = self.airflow.api("GET", "/dags/~/dagRuns?state=running&state=queued&limit=100")["dag_runs"]
            return {run["dag_id"] for run in runs} <= {"ingest_often"}

        poll(ended, 120, "runs go on", interval=0.5)

    def finished(self, case: str, run_id: str) -> tuple[dict[str, Any], str]:
        """Wait for the run's end; returns the task instance and the text of its last try's log."""
        self.airflow.wait_run(case, run_id)
        (task,) = self.airflow.task_instances(case, run_id)
        return task, "\n".join(self.airflow.task_log(case, run_id, "job", task["try_number"]))

    def listen(self) -> None:
        """Let the Dags that wait for documents start from now on, before a run that changes some."""
        for consumer in CONSUMERS:
            self.airflow.wait_dag(f"example_{consumer}")
            self.airflow.unpause(f"example_{consumer}")

    def events_of(self, run_id: str) -> list[dict[str, Any]]:
        """The asset events of a run: those of its task, and those without a key that the listener added to them."""
        events = self.events()
        return [event for event in events if run_id in (event["source_run_id"], event["extra"].get("source_run_id"))]

    def events(self) -> list[dict[str, Any]]:
        """The latest asset events. While a Dag run that one has created waits to start, Airflow answers with a 500."""

        query = "/assets/events?limit=100&order_by=-timestamp"
        (found,) = poll(lambda: (self.airflow.api("GET", query)["asset_events"],), 60, "no asset events", interval=1)
        return list(found)

    def assert_both_started_once(self, run_id: str, *partitions: str) -> None:
        """Each of the two examples has started once, the partitioned one once for each partition.

        Of two events within a turn of the scheduler, a plain Dag may name only the first, but starts after both.
        """
        plain, by_day = (f"example_{consumer}" for consumer in CONSUMERS)

        def later(event: dict[str, Any]) -> list[dict[str, Any]]:
            runs = [run for run in self.airflow.runs(plain) if run["queued_at"] > event["timestamp"]]
            return [{**run, "run_id": run["dag_run_id"]} for run in runs[:1]]

        def ended() -> dict[str | None, list[dict[str, Any]]] | None:
            # In Airflow 3.3, a plain consumer also consumes events with a key, although none of them starts it.
            started = {
                event["partition_key"]: [
                    run for run in event["created_dagruns"] if event["partition_key"] in (None, run["partition_key"])
                ]
                or (later(event) if event["partition_key"] is None else [])
                for event in self.events_of(run_id)
            }
            has_ended = all(runs and all(run["state"] in FINAL_STATES for run in runs) for runs in started.values())
            return started if started and has_ended else None

        started = poll(ended, 180, f"an event of {run_id} has started no run", interval=1)
        assert {key: [run["dag_id"] for run in runs] for key, runs in started.items()} == {
            None: [plain],
            **{partition: [by_day] for partition in partitions},
        }
        assert {run["state"] for runs in started.values() for run in runs} == {"success"}
        (run,) = started[None]
        if "triggering" in run:  # it names the event
            assert set(partitions) <= set(self.airflow.xcom(plain, run["run_id"], "changed_partitions"))

    def submission_id(self, case: str, run_id: str, task_id: str = "job") -> str:
        """The id of the run's job, once the task has pushed it."""
        return str(
            poll(lambda: self._xcom(case, run_id, task_id, "submission_id"), 60, "no submission id", interval=0.5)
        )

    def _xcom(self, case: str, run_id: str, task_id: str, key: str) -> Any:
        return self.airflow.xcom(case, run_id, task_id, key)

    def job(self, submission_id: str) -> dict[str, Any]:
        job: dict[str, Any] = request_json(
            "GET", f"{self.ray.dashboard_url}/api/jobs/{submission_id}", headers=self.ray.headers()
        )
        return job

    def wait_job(self, submission_id: str, *states: str, timeout: float = 60) -> dict[str, Any]:
        """Wait until the job is in one of the states."""

        def reached() -> dict[str, Any] | None:
            job = self.job(submission_id)
            return job if job["status"] in states else None

        job: dict[str, Any] = poll(reached, timeout, f"job {submission_id} is not {states}", interval=0.5)
        return job

    def wait_state(self, case: str, run_id: str, state: str, timeout: float = 60) -> None:
        """Wait until the run's only task is in the state."""
        poll(
            lambda: self.airflow.task_instances(case, run_id)[0]["state"] == state,
            timeout,
            f"the task of {run_id} is not {state}",
            interval=0.3,
        )

    def wait_watched(self, case: str, run_id: str, try_number: int = 1) -> None:
        """Wait until a triggerer has the trigger of the run's task."""
        log = f"logs/dag_id={case}/run_id={run_id}/task_id=job/attempt={try_number}.log.trigger.*.log"
        poll(lambda: list(self.airflow.folder.glob(log)), 60, "no triggerer has the trigger", interval=0.3)

    def mark_failed(self, case: str, run_id: str, task_id: str = "job") -> None:
        """What the button of the UI does."""
        self.airflow.api("PATCH", f"/dags/{case}/dagRuns/{run_id}/taskInstances/{task_id}", {"new_state": "failed"})

    def lines(self, case: str, run_id: str, try_number: int = 1) -> list[str]:
        """The numbered lines of the job in the task's log, in the order of their time."""
        log = self.airflow.task_log(case, run_id, "job", try_number)
        return [line for line in log if line.startswith("line ")]

    def jobs_of(self, run_id: str) -> list[dict[str, Any]]:
        """All jobs of a run that Ray knows."""
        jobs = request_json("GET", f"{self.ray.dashboard_url}/api/jobs/", headers=self.ray.headers())
        return [job for job in jobs if (job["metadata"] or {}).get("airflow_run_id") == run_id]


def with_variable(dag_file: Path, name: str, value: str) -> None:
    """Give a Dag file a Variable that no other one has."""
    source = dag_file.read_text()
    setting = f'import os\n\nos.environ["AIRFLOW_VAR_{name}"] = "{value}"\n\nfrom datetime'
    dag_file.write_text(source.replace("from datetime", setting, 1))


def open_lineage(folder: Path) -> dict[str, str]:
    """The settings of the provider for OpenLineage, if it is installed: its events become lines of a file."""
    if importlib.util.find_spec("airflow.providers.openlineage") is None:
        return {}
    transport = {"type": "file", "log_file_path": str(folder / "lineage.jsonl"), "append": True}
    return {"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport)}


@pytest.fixture(scope="package")
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The platform of the demo, after the demo ran on it; from then on its Dags use stand-in jobs.

    It ends with the tests of this folder: idle, it still takes a fifth of a core.
    """
    folder = Path(tempfile.mkdtemp(prefix="stage-", dir="/tmp"))  # short, because unix sockets of Ray live below it
    dags = folder / "dags"
    shutil.copytree(REPOSITORY / "tests" / "dags" / "operator_dags", dags)
    own = (*(f"ingest_{pipeline}.py" for pipeline in COLLECTIONS), "retry_failed.py", "maintain_collections.py")
    for name in (*own, *(f"examples/{consumer}.py" for consumer in CONSUMERS)):
        shutil.copy(REPOSITORY / "dags" / name, dags)
    for pipeline, function in PAGERS.items():
        with_variable(dags / f"ingest_{pipeline}.py", "INGEST_DEADLINE_CALLBACK", function)
    source = (dags / "ingest_pdfs.py").read_text()
    # The same file for a test of the schedule, whose runs no other test waits for.
    often = source.replace('daily_schedule("pdfs")', 'daily_schedule("often")')
    often = often.replace('dag_id="ingest_pdfs"', 'dag_id="ingest_often"')
    assert often.count("often") == 2
    (dags / "ingest_often.py").write_text(often)
    # Unpaused on its schedule, it would make up for its last run.
    (dags / "sweep.py").write_text((REPOSITORY / "dags" / "sweep.py").read_text().replace('"0 12 * * 6"', "None"))
    asking = dags / "ingest_asking.py"
    asking.write_text(source.replace('dag_id="ingest_pdfs"', 'dag_id="ingest_asking"'))
    with_variable(asking, "INGEST_APPROVALS", "on")  # only here do people decide
    (closed,) = free_ports(1)
    exporter = StatsdExporter()
    platform = Platform(folder, dags, REPOSITORY / "plugins", demo.BUCKET)
    platform.ray = RayHead(
        folder / "r", environment=platform.object_store.environment(), auth_token="the-right-token-of-the-test"
    )
    environment = {
        **QUICK_TO_NOTICE,
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",  # no Dag file changes here
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        **exporter.environment(),
        "AIRFLOW_VAR_INGEST_DEADLINE": "00:00",  # the demo's scheduled runs, of yesterday's partitions, miss it
        "AIRFLOW_CONN_RAY_NOWHERE": json.dumps({"conn_type": "ray", "host": f"http://127.0.0.1:{closed}"}),
        "AIRFLOW_CONN_RAY_WRONG_TOKEN": json.dumps(
            {"conn_type": "ray", "host": platform.ray.dashboard_url, "password": "wrong-token-of-the-test"}
        ),
        "AIRFLOW_VAR_INGEST_SCHEDULE_OFTEN": "0 * * * *",  # unpaused, the Dag makes up for its last run
        "PYTHONPATH": str(REPOSITORY / "tests" / "dags" / "callbacks"),
        "TEST_PAGES": str(folder / "pages"),
        **open_lineage(folder),
        "TEST_JOBS_DIR": str(JOBS),
        "TEST_REAL_JOBS_DIR": str(REPOSITORY / "ray_jobs"),
    }
    platform.airflow = AirflowStandalone(folder / "airflow", dags, REPOSITORY / "plugins", environment, {"ray": 8})
    output = io.StringIO()
    progress = Progress(output)
    models = PackagedModels(folder / "models.log", progress)
    ray_metrics = RayMetrics(platform.ray.metrics_address, ("ray_ingest_", "ray_node_"))
    targets = {"airflow": exporter.address, "ray": platform.ray.metrics_address}
    prometheus = Prometheus(folder / "prometheus", targets) if installed() else None
    stage, failed = None, True
    try:
        with Gateway(platform.ray.dashboard_url) as gateway, exporter, ray_metrics, prometheus or nullcontext():
            metrics = Metrics(exporter, ray_metrics, prometheus, time.time())
            stage = Stage(platform.airflow, platform.ray, gateway, platform.milvus.uri, metrics)
            with progress:
                demo.run(platform, models, False, False, progress, {"ingest_jobs_dir": str(REPOSITORY / "ray_jobs")})
            stage.demo_output = output.getvalue()
            metrics.demo_has_ended(platform.airflow)
            stage.use_stand_in_jobs()
            stage.begin([item for item in request.session.items if "stage" in item.fixturenames])
            yield stage
            failed = request.session.testsfailed > 0
    finally:
        models.stop()
        for part in stage.replacements.values() if stage else ():
            part.stop()
        platform.stop()
        if failed:
            print(f"the logs are kept in {folder}\n{output.getvalue()}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def begun(stage: Stage, request: pytest.FixtureRequest) -> Any:
    """The result of the function that the test is marked with: the id of its run."""
    return stage.begun[request.node.nodeid]


@pytest.fixture
def end(stage: Stage, request: pytest.FixtureRequest) -> Path:
    """A job that was begun with `until` and this path runs until the path exists."""
    return stage.end_of(request.node)


@pytest.fixture(scope="session")
def bag() -> Any:
    """The project's Dags."""
    from airflow.dag_processing.dagbag import DagBag

    found = DagBag(str(REPOSITORY / "dags"))
    assert found.import_errors == {}
    return found
