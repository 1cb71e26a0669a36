"""One Airflow for the Dag tests: the project's Dags over stand-in jobs, and the operator's cases."""

import json
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from embedded.airflow_standalone import AirflowComponent, AirflowStandalone
from embedded.gateway import Gateway
from embedded.http import request_json
from embedded.ports import free_ports
from embedded.processes import poll, send
from embedded.ray_head import RayHead
from ray_ingest.job_scripts import COLLECTIONS

REPOSITORY = Path(__file__).parents[2]
JOBS = REPOSITORY / "tests" / "jobs"
# What Airflow notices of a killed component within minutes by default, a test wants to see within seconds.
QUICK_TO_NOTICE = {
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
}


@dataclass
class Stage:
    """Airflow and the Ray head that its connection ``ray_default`` names, with questions that several tests ask."""

    airflow: AirflowStandalone
    ray: RayHead
    gateway: Gateway
    replacements: dict[str, AirflowComponent] = field(default_factory=dict)

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
        self.airflow.wait_dag(case)
        self.airflow.unpause(case)
        return str(self.airflow.trigger(case, {"behave": [str(word) for word in behave]})["dag_run_id"])

    def finish(self, case: str, *behave: str) -> tuple[dict[str, Any], str]:
        """Run a case to its end; returns the task instance and the text of its last try's log."""
        run_id = self.start(case, *behave)
        self.airflow.wait_run(case, run_id)
        (task,) = self.airflow.task_instances(case, run_id)
        return task, "\n".join(self.airflow.task_log(case, run_id, "job", task["try_number"]))

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

    def mark_failed(self, case: str, run_id: str) -> None:
        """What the button of the UI does."""
        self.airflow.api("PATCH", f"/dags/{case}/dagRuns/{run_id}/taskInstances/job", {"new_state": "failed"})

    def lines(self, case: str, run_id: str, try_number: int = 1) -> list[str]:
        """The numbered lines of the job in the task's log, in the order of their time."""
        log = self.airflow.task_log(case, run_id, "job", try_number)
        return [line for line in log if line.startswith("line ")]

    def jobs_of(self, run_id: str) -> list[dict[str, Any]]:
        """All jobs of a run that Ray knows."""
        jobs = request_json("GET", f"{self.ray.dashboard_url}/api/jobs/", headers=self.ray.headers())
        return [job for job in jobs if (job["metadata"] or {}).get("airflow_run_id") == run_id]


@pytest.fixture(scope="package")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A running Airflow whose Dags use the stand-in jobs, and a Ray head that wants a token."""
    folder = tmp_path_factory.mktemp("stage")
    dags = folder / "dags"
    shutil.copytree(REPOSITORY / "tests" / "dags" / "operator_dags", dags)
    for name in (*(f"ingest_{pipeline}.py" for pipeline in COLLECTIONS), "retry_failed.py", "maintain_collections.py"):
        shutil.copy(REPOSITORY / "dags" / name, dags)
    source = (dags / "ingest_pdfs.py").read_text()
    # The same file on a schedule that a test can wait for. Its partitions are the minutes of a day: keys repeat, runs
    # do not.
    every_minute = source.replace('"0 0 * * *"', '"* * * * *"').replace('dag_id="ingest_pdfs"', 'dag_id="ingest_often"')
    assert every_minute.count("ingest_often") == 1 and "* * * * *" in every_minute
    (dags / "ingest_often.py").write_text(every_minute)
    (closed,) = free_ports(1)
    ray = RayHead(folder / "ray", auth_token="the-right-token-of-the-test")
    with ray, Gateway(ray.dashboard_url) as gateway:
        environment = {
            **QUICK_TO_NOTICE,
            "AIRFLOW_CONN_RAY_DEFAULT": json.dumps(
                {
                    "conn_type": "ray",
                    "host": gateway.url,
                    "password": ray.auth_token,
                    "extra": {"dashboard_url": ray.dashboard_url},
                }
            ),
            "AIRFLOW_CONN_RAY_NOWHERE": json.dumps({"conn_type": "ray", "host": f"http://127.0.0.1:{closed}"}),
            "AIRFLOW_CONN_RAY_WRONG_TOKEN": json.dumps(
                {"conn_type": "ray", "host": ray.dashboard_url, "password": "wrong-token-of-the-test"}
            ),
            "AIRFLOW_VAR_INGEST_SOURCE_ROOT": "s3://somewhere",
            "AIRFLOW_VAR_INGEST_MILVUS_URI": "http://milvus:19530",
            "AIRFLOW_VAR_INGEST_JOBS_DIR": str(JOBS),
            "TEST_JOBS_DIR": str(JOBS),
        }
        with AirflowStandalone(folder / "airflow", dags, REPOSITORY / "plugins", environment) as airflow:
            stage = Stage(airflow, ray, gateway)
            try:
                yield stage
            finally:
                for replacement in stage.replacements.values():
                    replacement.stop()
