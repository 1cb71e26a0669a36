"""People decide about a switch to another model: Airflow's scheduler, real jobs, and the answers of a person."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from day_world import ROOT, DayWorld, day_world
from ingest.milvus.client import alias_target, connect

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1200)]
NAMES = ("a", "b", "c")


@pytest.fixture
def world(minilm_path: str, request: pytest.FixtureRequest) -> Iterator[DayWorld]:
    with day_world(minilm_path, AIRFLOW_VAR_INGEST_APPROVALS="on") as world:
        world.failed = lambda: request.session.testsfailed > 0
        yield world


@pytest.fixture
def other_model(minilm_path: str, tmp_path: Path) -> str:
    """A model with the same vectors, which only its files tell apart."""
    copy = shutil.copytree(minilm_path, tmp_path / "other")
    with (copy / "config.json").open("a") as file:
        file.write("\n")
    return str(copy)


def states(world: DayWorld, run_id: str) -> list[str]:
    found = {task["task_id"]: task["state"] for task in world.airflow.task_instances("ingest_pdfs", run_id)}
    return [found[task] for task in ("ingest", "approve_ingest", "ingest_approved")]


def test_a_switch_of_models_waits_for_a_person_and_is_left_alone_if_rejected(world: DayWorld, other_model: str):
    def start(**form: Any) -> str:
        return str(world.airflow.trigger("ingest_pdfs", {"source": ROOT, **form})["dag_run_id"])

    def searched() -> tuple[str | None, set[str]]:
        client = connect(world.platform.milvus.uri, retry_seconds=120)
        rows = client.query("documents", filter='id != ""', output_fields=["source"], limit=1000)
        return alias_target(client, "documents"), {row["source"] for row in rows}

    for name in NAMES:
        world.put(f"2026-03-01/{name}.pdf")
    world.airflow.unpause("ingest_pdfs")
    world.quiet("ingest_pdfs")
    first = world.end("ingest_pdfs", start())
    assert (first.state, first.report["added"]) == ("success", len(NAMES)), first.log
    assert states(world, first.run_id) == ["success", "skipped", "skipped"]
    world.assert_equal_to_the_store()
    before = searched()
    assert before[1] == set(world.contents)

    rejected = start(migrate=True, embedding_model=other_model)
    question = world.airflow.answer("ingest_pdfs", rejected, "approve_ingest", "Reject")
    assert other_model in question["body"]
    assert world.end("ingest_pdfs", rejected).state == "failed"
    assert states(world, rejected) == ["success", "failed", "upstream_failed"]
    assert searched() == before

    approved = start(migrate=True, embedding_model=other_model)
    world.airflow.answer("ingest_pdfs", approved, "approve_ingest", "Approve")
    ended = world.end("ingest_pdfs", approved, "ingest_approved")
    assert (ended.state, ended.report["rows_written"]) == ("success", 0), ended.log
    after = searched()
    assert after[0] != before[0] and after[1] == before[1]
