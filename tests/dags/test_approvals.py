"""People decide about removals above the limit, where the Variable ``ingest_approvals`` is on."""

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import Connection

from ray_ingest.approvals import approvals_are_on
from ray_ingest.arguments import keep_arguments

DAGS = Path(__file__).parents[2] / "dags"
RUN, ASK, APPROVED = "ingest", "approve_ingest", "ingest_approved"


@pytest.fixture
def asking_bag(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AIRFLOW_VAR_INGEST_APPROVALS", "on")
    found = DagBag(str(DAGS))
    assert found.import_errors == {}
    return found


def test_nobody_is_asked_by_default(bag: Any):
    assert [task.task_id for dag_id in ("ingest_pdfs", "sweep") for task in bag.dags[dag_id].tasks] == [
        "ingest", "sweep_pdfs", "sweep_images", "sweep_videos",
    ]  # fmt: skip
    assert "ask-first" not in bag.dags["ingest_pdfs"].tasks[0].arguments


@pytest.mark.parametrize(
    ("value", "on"), [("true", True), (" On ", True), ("1", True), ("false", False), ("0", False), ("", False)]
)
def test_the_variable_is_read_as_people_write_it(monkeypatch: pytest.MonkeyPatch, value: str, on: bool):
    monkeypatch.setenv("AIRFLOW_VAR_INGEST_APPROVALS", value)
    assert approvals_are_on() is on


@pytest.mark.parametrize(("dag_id", "run"), [("ingest_videos", "ingest"), ("sweep", "sweep_videos")])
def test_a_question_and_a_second_run_follow_each_run(asking_bag: Any, dag_id: str, run: str):
    dag = asking_bag.dags[dag_id]
    first, ask, second = (dag.get_task(task_id) for task_id in (run, f"approve_{run}", f"{run}_approved"))
    assert first.downstream_task_ids == {ask.task_id} and ask.downstream_task_ids == {second.task_id}
    assert first.arguments["ask-first"] is True
    assert second.outlets == first.outlets
    differing = {flag for flag in first.arguments if first.arguments[flag] != second.arguments[flag]}
    assert differing <= {"ask-first", "full-refresh"}
    assert set(second.arguments) - set(first.arguments) <= {"full-refresh", "approved-removals"}
    assert not second.arguments["ask-first"]


class Instance:
    """A task instance, whose run's XComs are by task and key."""

    def __init__(self, task_id: str, xcoms: dict[tuple[str, str], Any], try_number: int = 1) -> None:
        self.task_id, self.xcoms, self.try_number = task_id, xcoms, try_number

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[self.task_id, key] = value

    def xcom_pull(self, task_ids: str, key: str = "return_value") -> Any:
        return self.xcoms.get((task_ids, key))


def begun(bag: Any, ti: Instance, **variables: str) -> dict[str, Any]:
    """The arguments of a task that begins, or goes on, with these Variables."""
    dag = bag.dags["ingest_pdfs"]
    context = {
        **dag.user_defined_macros,
        "params": {name: param.value for name, param in dag.params.items()},
        "partition_key": "2026-03-01",
        "dag_run": SimpleNamespace(run_type="scheduled", conf={}),
        "var": SimpleNamespace(value=variables),
        "conn": {"milvus_default": Connection(conn_id="milvus_default", conn_type="milvus", host="milvus")},
        "ti": ti,
    }
    task = copy.copy(dag.get_task(ti.task_id))
    task.render_template_fields(context, dag.get_template_env())
    keep_arguments({**context, "task": task})
    return dict(task.arguments)


BEFORE = {"ingest_source_root": "s3://bucket", "ingest_lookback_days": "1", "ingest_embedding_model": "one"}
AFTER = {"ingest_source_root": "s3://moved", "ingest_embedding_model": "another"}


def test_a_variable_that_changes_while_a_person_thinks_does_not_change_what_is_approved(asking_bag: Any):
    xcoms: dict[tuple[str, str], Any] = {}
    asked = begun(asking_bag, Instance(RUN, xcoms), **BEFORE)
    removals = dict.fromkeys(asked["source"], 12)
    xcoms[RUN, "return_value"] = SimpleNamespace(awaiting_removals=removals)
    approved = begun(asking_bag, Instance(APPROVED, xcoms), **AFTER)
    assert json.loads(approved.pop("approved-removals")) == removals
    assert approved == {**asked, "ask-first": "", "full-refresh": ""}


def test_a_task_that_goes_on_after_its_deferral_has_the_flags_of_its_job_and_the_next_try_those_of_then(
    asking_bag: Any,
):
    xcoms: dict[tuple[str, str], Any] = {}
    first = begun(asking_bag, Instance(RUN, xcoms), **BEFORE)
    assert begun(asking_bag, Instance(RUN, xcoms)) == first  # somebody has deleted the Variables
    second = begun(asking_bag, Instance(RUN, xcoms, try_number=2), **AFTER)
    assert second["source"][0] == "s3://moved/pdfs/2026-03-01/"


def begins(source: str) -> pytest.MarkDecorator:
    return pytest.mark.begins(lambda stage: stage.trigger("ingest_asking", {"source": source}))


def answer(stage: Any, run_id: str, option: str) -> dict[str, Any]:
    question: dict[str, Any] = stage.airflow.answer("ingest_asking", run_id, ASK, option)
    return question


def states(stage: Any, run_id: str) -> dict[str, str]:
    return {task["task_id"]: task["state"] for task in stage.airflow.task_instances("ingest_asking", run_id)}


@pytest.mark.nightly
@begins("s3://bucket/asks/")
def test_what_a_person_approves_is_done_by_a_second_run_and_no_more(stage: Any, begun: str):
    question = answer(stage, begun, "Approve")
    assert question["subject"] == "Ingest of pdfs: removals"
    assert "75 of 100 objects are missing." in question["body"]
    assert stage.airflow.wait_run("ingest_asking", begun)["state"] == "success"
    first, second = (stage.airflow.xcom("ingest_asking", begun, task)["argv"] for task in (RUN, APPROVED))
    assert "--ask-first" in first
    assert "--ask-first" not in second
    assert '--approved-removals={"s3://bucket/asks/": 75}' in second
    assert set(first) - set(second) == {"--ask-first"}


@pytest.mark.nightly
@begins("s3://bucket/asks/")
def test_what_a_person_rejects_is_not_done_and_fails_the_run(stage: Any, begun: str):
    answer(stage, begun, "Reject")
    assert stage.airflow.wait_run("ingest_asking", begun)["state"] == "failed"
    assert states(stage, begun) == {RUN: "success", ASK: "failed", APPROVED: "upstream_failed"}


@pytest.mark.nightly
@begins("s3://bucket/nothing/to/decide/")
def test_nobody_is_asked_where_there_is_nothing_to_decide(stage: Any, begun: str):
    assert stage.airflow.wait_run("ingest_asking", begun)["state"] == "success"
    assert states(stage, begun) == {RUN: "success", ASK: "skipped", APPROVED: "skipped"}
