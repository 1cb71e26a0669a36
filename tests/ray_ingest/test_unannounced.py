"""What runs have left unannounced, in the tables of Airflow's database, where several processes change it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.models.asset import AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel as State
from airflow.models.dagrun import DagRun
from airflow.models.xcom import XComModel
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from ray_ingest import unannounced
from ray_ingest.plugin import RayIngestPlugin
from ray_ingest.unannounced import STATE_KEY, XCOM_KEY, change, keep, take

RUN = 7


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A database with the asset `documents`, whose state names a partition."""
    engine = create_engine(f"sqlite:///{tmp_path}/airflow.db")
    tables = [model.__table__ for model in (AssetModel, DagRun, State, XComModel)]
    AssetModel.metadata.create_all(engine, tables=tables)
    with Session(engine) as session:
        for number, name in enumerate(("documents", "images")):
            session.add(AssetModel(id=number, name=name, uri=f"milvus://ray-ingest/{name}"))
        session.add(State(asset_id=0, key=STATE_KEY, value=json.dumps(["2026-01-30"])))
        session.commit()
    yield engine
    engine.dispose()


def leave(engine: Engine, task_id: str, partitions: list[str], asset: str = "documents") -> None:
    """The XCom of a task."""
    value = {"asset": asset, "partitions": partitions}
    with Session(engine) as session:
        session.add(
            XComModel(
                dag_run_id=RUN, task_id=task_id, map_index=-1, key=XCOM_KEY, dag_id="d", run_id="r",
                value=XComModel.serialize_value(value),
            )
        )  # fmt: skip
        session.commit()


def end_run(engine: Engine) -> None:
    with Session(engine) as session:
        run = DagRun(dag_id="d", run_id="r", run_type="manual")
        run.id = RUN
        session.add(run)
        keep(run)
        session.expunge(run)
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
        assert not change(session, "images", set)


@pytest.mark.parametrize("end", [lambda left: left | {"2026-02-02"}, lambda left: left - {"2026-01-30"}])
def test_what_comes_while_another_process_changes_it_is_not_lost(engine: Engine, end: Callable[[set[str]], set[str]]):
    first: list[int] = []

    def update(left: set[str]) -> set[str]:
        if not first:
            first.append(1)
            with Session(engine) as other:
                change(other, "documents", lambda now: now | {"2026-02-01"})
                other.commit()
        return end(left)

    with Session(engine) as session:
        assert change(session, "documents", update)
        session.commit()
    assert set(stored(engine)) == end({"2026-01-30", "2026-02-01"})
