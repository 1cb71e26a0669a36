"""The tries of an object as the page tells them, from what the jobs have written, and the runs of their Ray jobs."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from airflow.models import import_all_models
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import Engine, create_engine, insert
from sqlalchemy.orm import Session, sessionmaker

from airflow_ray.job_ids import Attempt, start_text
from embedded.airflow_database import AirflowDatabase
from ingest.common.failures import Failure
from ingest.ledger.entries import updated
from page_api import Page, entry
from ray_ingest.page.dag_runs import find_runs

SOURCE = "s3://b/pdfs/tried.pdf"
BEGAN = datetime(2026, 1, 31, 4, 0, 0, 123456, tzinfo=UTC)
NOW = int((BEGAN + timedelta(minutes=5)).timestamp() * 1000)


def told(page: Page, row: dict[str, Any]) -> list[tuple[str, str, str]]:
    page.write(row)
    return [(each["run_id"], each["ended"], each["error_type"]) for each in page.get("/object", source=SOURCE)["tries"]]


@pytest.mark.tier("parts")
def test_the_tries_of_an_object_are_told_with_the_latest_first(page: Page) -> None:
    slow = {"failure": Failure.TIME_LIMIT, "rows": 0}
    first = entry(SOURCE, **slow, message="took longer than 600 s", run_id="one", hours_ago=48)
    second = entry(SOURCE, **slow, message="took longer than 900 s", attempts=2, run_id="two", before=first)
    done = entry(SOURCE, attempts=3, run_id="three", before=second)
    assert told(page, done) == [("three", "ok", ""), ("two", "failed", "TimeLimit"), ("one", "failed", "TimeLimit")]
    found = page.get("/object", source=SOURCE)
    assert (found["unknown"], found["metadata"]) == (0, {"pages": 1})
    fields = ("updated_at", "version", "attempts", "stage", "error_message")
    assert {key: found["tries"][2][key] for key in fields} == {key: first[key] for key in fields}
    relabelled = updated(done, "labels", done["metadata"])
    assert [each[:2] for each in told(page, relabelled)][:2] == [("labels", "relabelled"), ("three", "ok")]
    assert page.get("/object", source=SOURCE)["metadata"] == {"pages": 1}


@pytest.mark.tier("parts")
def test_an_entry_from_before_there_were_tries_tells_how_many_are_not_known(page: Page) -> None:
    old = entry(SOURCE, failure=Failure.TIME_LIMIT, attempts=3, rows=0, run_id="old")
    assert told(page, old) == [("old", "failed", "TimeLimit")]
    assert page.get("/object", source=SOURCE)["unknown"] == 2
    told(page, entry(SOURCE, run_id="new", before=old))
    assert page.get("/object", source=SOURCE)["unknown"] == 2


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Airflow's tables with the Dags of RUNS, each with a run and a task of it."""
    database = AirflowDatabase(tmp_path / "airflow.db")
    database.create()
    engine = create_engine(database.url)
    import_all_models()
    DagRun.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(DagBundleModel(name="dags"))
        session.flush()
        for number, (dag_id, run_id, task_id, map_index, ended) in enumerate(RUNS):
            if session.get(DagModel, dag_id) is None:
                session.add(DagModel(dag_id=dag_id, bundle_name="dags"))
                session.flush()
            run = DagRun(dag_id=dag_id, run_id=run_id, run_type="manual")
            run.id, run.log_template_id, run.run_after = number + 1, None, BEGAN
            run.start_date, run.end_date = BEGAN, ended
            session.add(run)
            session.flush()
            of_task = {"task_id": task_id, "dag_id": dag_id, "run_id": run_id, "map_index": map_index}
            session.execute(insert(TaskInstance).values(id=uuid4(), pool="ray", pool_slots=1, **of_task))
        session.commit()
    monkeypatch.setattr("airflow.settings.NonScopedSession", sessionmaker(engine, expire_on_commit=False))
    yield engine
    engine.dispose()


RUNS = (
    ("ingest_pdfs", "scheduled__2026-01-30", "ingest", -1, BEGAN + timedelta(hours=1)),
    ("ingest_pdfs", "manual__1", "ingest", -1, None),
    ("ingest pdfs of a team, which has a name that is too long", "manual__1", "sweep_pdfs", 3, None),
    ("retry_failed", "page__1", "retry_pdfs", -1, BEGAN + timedelta(minutes=1)),
)


def job(dag_id: str, run_id: str, task_id: str, map_index: int = -1, *, tried: int = 1, start: datetime = BEGAN) -> str:
    """The id of a job as the operator makes it."""
    return Attempt(
        dag_id, run_id, task_id, map_index, 0, tried, prefix="team-a", run_started=start_text(start)
    ).submission_id


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("which", range(len(RUNS)), ids=["ended", "goes on", "mapped", "just ended"])
def test_the_run_of_a_job_is_found(which: int) -> None:
    dag_id, run_id, task_id, map_index, _ = RUNS[which]
    own = job(dag_id, run_id, task_id, map_index, tried=2)
    assert find_runs({own: NOW}, lambda dag: True) == {own: {"dag_id": dag_id, "dag_run_id": run_id, "try": 2}}
    assert find_runs({own: NOW}, lambda dag: dag != dag_id) == {}


@pytest.mark.usefixtures("engine")
def test_of_a_run_that_was_cleared_the_dag_is_known_and_of_other_jobs_nothing() -> None:
    cleared = job("ingest_pdfs", "manual__1", "ingest", start=BEGAN - timedelta(days=1))
    another = job("of_another_airflow", "manual__1", "ingest")
    jobs = dict.fromkeys([cleared, another, "manual-0123456789ab", "raysubmit_x"], NOW)
    assert find_runs(jobs, lambda dag: True) == {cleared: {"dag_id": "ingest_pdfs", "dag_run_id": "", "try": 1}}
