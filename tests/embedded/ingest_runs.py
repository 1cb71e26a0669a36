"""Start the runs of the ingest Dags in their three ways and follow them to their end: schedule, form, backfill."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embedded.airflow_standalone import FINAL_STATES, AirflowStandalone
from embedded.exhibits import Batch, How
from embedded.progress import Progress

TASK = "ingest"
RUN_SECONDS = 600.0
POLL_SECONDS = 3.0  # a look at a run is three requests, of which one reads its log
WITH_WORKER = ("scheduled", "queued", "running")
# Ray's own log lines, the report, which is shown later, and words that only say where the job is.
NO_NEWS = re.compile(r"\s*$|\[?\d{4}-\d\d-\d\d |REPORT |Submitting Ray job |Ray dashboard: |Running entrypoint ")


class RunError(RuntimeError):
    """A run failed, or did not end in time; the message ends with its log."""


@dataclass(frozen=True)
class Ended:
    """A run that succeeded: what it ingested, and the report of its Ray job."""

    batch: Batch
    report: dict[str, Any]


class Run:
    """One run of an ingest Dag, from the moment its start was asked for. `ended` is set when it has succeeded."""

    def __init__(self, airflow: AirflowStandalone, batch: Batch, progress: Progress) -> None:
        self._airflow = airflow
        self._batch = batch
        self._progress = progress
        self.dag = f"ingest_{batch.pipeline}"
        self._deadline = time.monotonic() + RUN_SECONDS
        self.run_id = ""
        self._has_job = False
        self.ended: Ended | None = None
        self._say("Airflow is asked for a run")

    def look(self) -> None:
        """Show the news. Raises RunError when the run failed or is overdue."""
        try:
            self._look()
        except OSError as error:  # a busy API server: the next look may succeed
            self._overdue(str(error))

    def _look(self) -> None:
        self.run_id = self.run_id or self._find()
        if not self.run_id:
            return self._overdue("Airflow made no such run")
        run = self._airflow.run(self.dag, self.run_id)
        (task,) = self._airflow.task_instances(self.dag, self.run_id)
        if run["state"] == "success":
            report = self._airflow.xcom(self.dag, self.run_id, TASK)
            self.ended = Ended(self._batch, report)
            news = f"{report['added']} files ingested, {report['rows_written']} rows written"
            if self._batch.is_repeated:
                news = f"{report['unchanged']} files unchanged, none read again"
            return self._progress.end(self._batch.name, news)
        if run["state"] in FINAL_STATES:
            raise self._failed(run["state"])
        state = task["state"] or "scheduled"
        if state == "deferred":
            self._has_job = True
            self._say(self._latest_line(task["try_number"]) or "the Ray job is starting")
        elif self._has_job and state in WITH_WORKER:
            self._say("the job has ended; the task takes its report")
        else:
            self._say(f"the task is {state}")
        return self._overdue(f"the run is {run['state']}, its task {state}")

    def _find(self) -> str:
        """The id of the run that the schedule or the backfill makes for the batch's day; empty until it is there."""
        run_type = {How.SCHEDULE: "scheduled", How.BACKFILL: "backfill"}[self._batch.how]
        runs = self._airflow.runs(self.dag, run_type)
        return next((run["dag_run_id"] for run in runs if run["partition_key"] == self._batch.day), "")

    def _latest_line(self, try_number: int) -> str:
        lines = self._airflow.task_log(self.dag, self.run_id, TASK, try_number, "airflow_ray")
        return next((line.strip() for line in reversed(lines) if not NO_NEWS.match(line)), "")

    def _say(self, text: str) -> None:
        self._progress.step(self._batch.name, text)

    def _overdue(self, reason: str) -> None:
        if time.monotonic() > self._deadline:
            raise self._failed(f"not done after {RUN_SECONDS:g} s: {reason}")

    def _failed(self, reason: str) -> RunError:
        self._progress.end(self._batch.name, reason, failed=True)
        log = self._airflow.task_log(self.dag, self.run_id, TASK)[-30:] if self.run_id else []
        return RunError("\n".join([f"the run '{self._batch.name}' of the Dag {self.dag}: {reason}", *log]))


def run_all(
    airflow: AirflowStandalone, bucket: str, batches: Sequence[Batch], at_once: int, progress: Progress
) -> list[Ended]:
    """Start the runs in the order of their batches, `at_once` at a time, and wait for all. Raises RunError."""
    runs: list[Run] = []
    while True:
        for run in runs:
            if not run.ended:
                run.look()
        ended = [run.ended for run in runs if run.ended]
        if len(ended) == len(batches):
            return ended
        free = at_once - (len(runs) - len(ended))
        runs += [start(airflow, bucket, batch, progress) for batch in batches[len(runs) :][:free]]
        time.sleep(POLL_SECONDS)


def start(airflow: AirflowStandalone, bucket: str, batch: Batch, progress: Progress) -> Run:
    """Ask Airflow for the batch's run in the batch's way."""
    run = Run(airflow, batch, progress)
    if batch.how is How.SCHEDULE:
        airflow.unpause(run.dag)
    elif batch.how is How.BACKFILL:
        airflow.backfill(run.dag, batch.day, batch.day)
    else:
        run.run_id = airflow.trigger(run.dag, {"source": f"s3://{bucket}/{batch.prefix}"})["dag_run_id"]
    return run


def states(airflow: AirflowStandalone) -> dict[str, str]:
    """The state of every run of every Dag, as the UI shows them, by Dag and run."""
    runs = airflow.api("GET", "/dags/~/dagRuns?limit=100")["dag_runs"]
    return {f"{run['dag_id']} {run['dag_run_id']}": run["state"] for run in runs}
