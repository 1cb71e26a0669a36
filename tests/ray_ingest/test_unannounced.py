"""What runs have left unannounced, in the tables of Airflow's database, where several processes change it.

With AIRFLOW_TEST_DB, as in ``embedded.airflow_database``, the tables are on that server.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, get_ident
from typing import Any
from uuid import uuid4

import pytest
from airflow.models import import_all_models
from airflow.models.asset import AssetActive, AssetEvent, AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel as State
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import Engine, create_engine, event, insert, select
from sqlalchemy.orm import Session, sessionmaker

from embedded.airflow_database import AirflowDatabase
from ray_ingest import unannounced
from ray_ingest.plugin import RayIngestPlugin
from ray_ingest.unannounced import STATE_KEY, XCOM_KEY, announce_left, change, keep, take

RUN = 7


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A database with the asset `documents`, whose state names a partition."""
    database = AirflowDatabase(tmp_path / "airflow.db")
    database.create()
    engine = create_engine(database.url)
    import_all_models()
    AssetModel.metadata.create_all(engine)
    with Session(engine) as session:
        for number, name in enumerate(("documents", "images")):
            uri = f"milvus://ray-ingest/{name}"
            session.add(AssetModel(id=number, name=name, uri=uri))
            session.flush()
            session.add(AssetActive(name=name, uri=uri))
        session.add(State(asset_id=0, key=STATE_KEY, value=json.dumps(["2026-01-30"])))
        session.commit()
    monkeypatch.setattr("airflow.settings.NonScopedSession", sessionmaker(engine, expire_on_commit=False))
    yield engine
    engine.dispose()


def leave(engine: Engine, task_id: str, partitions: list[str], asset: str = "documents", **more: Any) -> None:
    """The XCom of a task."""
    value = {"asset": asset, "partitions": partitions, **more}
    with Session(engine) as session:
        run = session.get(DagRun, RUN)
        if run is None:
            run = DagRun(dag_id="d", run_id="r", run_type="manual")
            run.id, run.log_template_id, run.run_after = RUN, None, datetime.now(UTC)
            session.add(run)
            session.flush()
        of_task = {"id": uuid4(), "task_id": task_id, "dag_id": "d", "run_id": "r", "map_index": -1, "pool_slots": 1}
        session.execute(insert(TaskInstance).values(**of_task, pool="ray"))
        XComModel.set(XCOM_KEY, value, dag_id="d", run_id="r", task_id=task_id, session=session)
        session.commit()


def end_run(engine: Engine) -> None:
    with Session(engine) as session:
        keep(session.get_one(DagRun, RUN))
        session.commit()


def stored(engine: Engine) -> Any:
    with Session(engine) as session:
        value = session.scalar(select(State.value).where(State.key == STATE_KEY))
    return json.loads(str(value))


def test_airflow_knows_the_listener():
    assert unannounced in RayIngestPlugin.listeners


def test_what_the_tasks_of_a_run_have_left_is_kept_once(engine: Engine):
    leave(engine, "sweep_pdfs", ["2026-01-31"])
    leave(engine, "another", [])
    end_run(engine)
    assert stored(engine) == ["2026-01-30", "2026-01-31"]
    with Session(engine) as session:
        take(session, "documents", ["2026-01-30", "2026-01-31", "2026-02-01"])
        session.commit()
    assert stored(engine) == []
    end_run(engine)  # once more, as when another task of it was cleared
    assert stored(engine) == []


def test_an_asset_without_a_state_is_left_alone(engine: Engine):
    leave(engine, "sweep_images", ["2026-01-31"], "images")
    end_run(engine)
    with Session(engine) as session:
        assert session.scalars(select(XComModel.task_id)).all() == ["sweep_images"]
        assert change(session, "images", set) is None


@pytest.mark.parametrize("end", [lambda left: left | {"2026-02-02"}, lambda left: left - {"2026-01-30"}])
def test_what_comes_while_another_process_changes_it_is_not_lost(engine: Engine, end: Callable[[set[str]], set[str]]):
    if engine.name != "sqlite":
        pytest.skip("this database locks the row, so that nobody else changes it meanwhile")
    first: list[int] = []

    def update(left: set[str]) -> set[str]:
        if not first:
            first.append(1)
            with Session(engine) as other:
                change(other, "documents", lambda now: now | {"2026-02-01"})
                other.commit()
        return end(left)

    with Session(engine) as session:
        assert change(session, "documents", update) == {"2026-01-30", "2026-02-01"}
        session.commit()
    assert set(stored(engine)) == end({"2026-01-30", "2026-02-01"})


def events(engine: Engine) -> list[tuple[str | None, list[str]]]:
    """The partition keys of the registered events, and the partitions that they name."""
    with Session(engine) as session:
        found = session.scalars(select(AssetEvent).order_by(AssetEvent.id)).all()
        assert all(each.extra["announced_late"] and each.asset_id == 0 for each in found)
        return [(each.partition_key, each.extra["partitions"]) for each in found]


def test_what_others_have_left_is_announced_when_a_run_has_ended_of_which_a_task_succeeded(engine: Engine):
    leave(engine, "sweep_pdfs", [], announced=[])
    with Session(engine) as session:
        keep(session.get_one(DagRun, RUN))
        assert events(engine) == []
        session.commit()
        assert events(engine) == [("2026-01-30", ["2026-01-30"]), (None, ["2026-01-30"])]
        session.commit()
    end_run(engine)
    assert (len(events(engine)), stored(engine)) == (2, [])


def test_what_cannot_be_announced_stays_for_the_next_success_and_the_scheduler_goes_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    leave(engine, "sweep_pdfs", [], announced=[])

    def fail(**event: Any) -> None:
        raise RuntimeError("Could not find serialized dag")

    with monkeypatch.context() as patch:
        patch.setattr("airflow.assets.manager.asset_manager.register_asset_change", fail)
        end_run(engine)
    assert (events(engine), stored(engine)) == ([], ["2026-01-30"])
    end_run(engine)
    assert (len(events(engine)), stored(engine)) == (2, [])


def test_a_partition_that_the_run_has_announced_itself_has_no_other_event(engine: Engine):
    leave(engine, "sweep_pdfs", [], announced=["2026-01-30"])
    end_run(engine)
    assert (events(engine), stored(engine)) == ([], [])


@pytest.mark.parametrize(
    "tasks", [[{}], [{"asset": "images", "announced": []}], [{"announced": []}, {"partitions": ["2026-01-30"]}]]
)
def test_nothing_is_announced_after_a_run_without_a_success_or_that_leaves_something_itself(
    engine: Engine, tasks: list[dict[str, Any]]
):
    for number, task in enumerate(tasks):
        leave(engine, f"task_{number}", **{"partitions": [], **task})
    end_run(engine)
    assert (events(engine), stored(engine)) == ([], ["2026-01-30"])


def test_of_runs_that_end_at_one_instant_one_announces_what_others_have_left(engine: Engine):
    """Both look at the state before either has changed it, where the database has no lock for that."""
    both, waited = Barrier(2, timeout=60), set[int]()

    @event.listens_for(engine, "after_cursor_execute")
    def wait_for_each_other(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        looks = statement.startswith("SELECT asset_state_store.value") and engine.name == "sqlite"
        if looks and len(waited) < 2 and get_ident() not in waited:
            waited.add(get_ident())
            both.wait()

    with ThreadPoolExecutor(2) as pool:
        for ended in [pool.submit(announce_left, "documents") for _ in range(2)]:
            ended.result()
    assert (len(events(engine)), stored(engine)) == (2, [])
