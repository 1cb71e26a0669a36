"""The numbers of the Grafana board after days of runs, as a real Prometheus computes them, and those of the runs."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest

import monitoring
from day_world import BUCKET, ROOT, DayWorld
from embedded.processes import poll
from embedded.prometheus import Prometheus
from ingest.common.failures import FAILURES
from ingest.run.report import REPORT_PREFIX

LABEL = re.compile(r"{{(\w+)}}")
OUTCOMES = ("failed", "deleted", "kept")


class Board:
    """The panels of the board; it knows which of them were compared."""

    def __init__(self, prometheus: Prometheus, began: float) -> None:
        self._prometheus, self._began = prometheus, began
        self._panels = {panel["title"]: panel for panel in monitoring.board()["panels"] if panel.get("targets")}
        self._compared: set[str] = set()

    def shows(self, title: str, at: float) -> dict[str, float]:
        """The values that a panel shows at a time, by their legends."""
        self._compared.add(title)
        return {
            legend(target["legendFormat"], labels): value
            for target in self._panels[title]["targets"]
            for labels, value in self._prometheus.query(target["expr"], at)
        }

    def assert_shows(self, title: str, expected: Mapping[str, float]) -> None:
        """Soon, as Prometheus reads once a second, the panel shows exactly these values."""
        wanted = {name: pytest.approx(value, rel=1e-4, abs=1e-4) for name, value in expected.items()}
        with suppress(TimeoutError):
            poll(lambda: self.shows(title, time.time()) == wanted, 60, title, interval=1)
        assert self.shows(title, time.time()) == wanted, title
        print(f"{title}: {dict(expected)}", flush=True)

    def peak(self, title: str) -> float:
        """The highest value that the panel has shown."""
        self._compared.add(title)
        return max(
            value
            for target in self._panels[title]["targets"]
            for values in self._prometheus.history(target["expr"], self._began, time.time())
            for value in values
        )

    def alerts_so_far(self) -> set[str]:
        """The names of the alerts that have fired at some time."""
        now = time.time()
        query = "count by (alertname) (last_over_time(ALERTS{alertstate='firing'}[1d]))"
        return {labels["alertname"] for labels, _ in self._prometheus.query(query, now)}

    def moment_of(self, title: str, at: float) -> dict[str, float]:
        """When the ages began, in seconds since 1970, that a panel shows of series which a rule records."""
        self._compared.add(title)
        (target,) = self._panels[title]["targets"]
        found = self._prometheus.query(f"timestamp({target['expr']}) - {target['expr']}", at)
        return {labels["pipeline"]: value for labels, value in found}

    def assert_all_compared(self) -> None:
        assert self._compared == set(self._panels)


def legend(template: str, labels: Mapping[str, str]) -> str:
    return LABEL.sub(lambda name: labels.get(name[1], ""), template)


def reports(world: DayWorld) -> Iterator[tuple[str, dict[str, Any]]]:
    """The Dag and the report of each task that has written; a failed try before the last one has none."""
    for dag_id in ("ingest_pdfs", "sweep"):
        for run in world.airflow.runs(dag_id):
            for task in world.airflow.task_instances(dag_id, run["dag_run_id"]):
                place = dag_id, run["dag_run_id"], task["task_id"]
                if task["state"] == "success":
                    report = world.airflow.xcom(*place)
                elif task["state"] == "failed":
                    log = world.airflow.task_log(*place, task["try_number"])
                    report = json.loads([line for line in log if line.startswith(REPORT_PREFIX)][-1].split(" ", 1)[1])
                else:
                    continue
                if not report["dry_run"]:
                    yield dag_id, report


def permanently_failed(world: DayWorld) -> int:
    """The objects in the ledger that no run takes again by itself: here, none has failed three times."""
    failed = [entry for entry in world.stored()[1].values() if entry["status"] == "failed"]
    return sum(not FAILURES[entry["error_type"]].may_pass for entry in failed)


def newest_in_the_store(world: DayWorld) -> float:
    """When the newest object was modified, in seconds since 1970."""
    pages = world.platform.object_store.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    moments: list[datetime] = [each["LastModified"] for page in pages for each in page["Contents"]]
    assert sum(1 for _ in moments) == len(world.contents), f"objects beside those below {ROOT}"
    return max(moments).timestamp()


def assert_the_board_is_right(world: DayWorld, board: Board) -> None:
    """When all runs have ended: each panel shows what the runs have done, and how the platform is now."""
    done = list(reports(world))
    objects: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    unmigrated: dict[str, int] = {}
    for _, report in done:
        pipeline = report["pipeline"]
        objects[f"{pipeline} ingested"] += report["added"] + report["changed"] - report["failed"]
        for outcome in OUTCOMES:
            objects[f"{pipeline} {outcome}"] += report[outcome]
        for direction in ("written", "deleted"):
            rows[f"{pipeline} {direction}"] += report[f"rows_{direction}"]
        for group in report["failure_counts"]:
            failures[f"{pipeline} {group['stage']}/{group['error_type']}"] += group["count"]
        for stage, work in report["stages"].items():
            seconds[f"{pipeline} {stage}"] += work["seconds"]
        unmigrated[pipeline] = report["unmigrated"]
    board.assert_shows("Objects by outcome", objects)
    board.assert_shows("Rows", rows)
    board.assert_shows("Failures by stage and type", failures)
    board.assert_shows("Seconds by stage", seconds)
    board.assert_shows("Objects that a migration lacks", unmigrated)
    board.assert_shows("Permanently failed objects", dict.fromkeys(unmigrated, 0) | {"pdfs": permanently_failed(world)})
    board.assert_shows("Alerts", {})

    # A try that was killed has no report: the rows that it wrote are in no count, and those that replaced them are.
    found, _ = world.stored()
    uncounted = sum(map(len, found.values())) - (rows["pdfs written"] - rows["pdfs deleted"])
    assert uncounted >= 0
    print(f"rows of killed tries, in no count: {uncounted}", flush=True)

    pool = world.airflow.api("GET", "/pools/ray")
    states = ("deferred", "running", "queued")
    board.assert_shows("Tasks in the pool ray", {state: pool[f"{state}_slots"] for state in states})
    assert board.peak("Tasks in the pool ray") >= 1

    # Both grow each second, and the moments that they count from do not.
    now = time.time()
    (since,) = board.shows("Since the last success", now).items()
    tasks = [
        task
        for run in world.airflow.runs("ingest_pdfs")
        for task in world.airflow.task_instances("ingest_pdfs", run["dag_run_id"])
        if task["state"] == "success"
    ]
    began, ended = (
        datetime.fromisoformat(max(tasks, key=lambda task: str(task["end_date"]))[moment]).timestamp()
        for moment in ("start_date", "end_date")
    )
    assert since[0] == "ingest_pdfs" and began <= now - since[1] <= ended
    newest = {"pdfs": pytest.approx(newest_in_the_store(world), abs=0.01)}
    assert board.moment_of("Age of the newest object", now) == newest

    # Those of running jobs; the reports say what came of them in the end.
    total = sum(report["added"] + report["changed"] for _, report in done)
    for title in ("Objects that wait", "Objects done, since the job began"):
        assert 0 < board.peak(title) <= total
    for title in ("Items per second by stage", "Busy processes by stage", "Tokens per second"):
        assert board.peak(title) > 0
    shares = board.shows("Ray nodes", now)
    assert len(shares) == 2 and all(0 < share <= 1 for share in shares.values())
    board.assert_all_compared()
