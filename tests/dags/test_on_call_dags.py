"""``retry_failed``, ``maintain_collections`` and ``sweep``: they load, check their params, render their commands."""

from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.dag_processing.dagbag import DagBag

REPOSITORY = Path(__file__).parents[2]
SOURCE = "s3://bucket/a 'quoted' prefix/"


@pytest.mark.parametrize(
    ("dag_id", "tasks", "schedule"),
    [
        ("retry_failed", ["retry_pdfs", "retry_images", "retry_videos"], None),
        ("maintain_collections", ["maintain"], "0 5 * * 0"),
        ("check_days", ["check_pdfs", "check_images", "check_videos"], None),
        ("sweep", ["sweep_pdfs", "sweep_images", "sweep_videos"], "0 12 * * 6"),
    ],
)
def test_they_load_with_their_tasks_in_the_pool_of_ray(bag: Any, dag_id: str, tasks: list[str], schedule: str | None):
    dag = bag.dags[dag_id]
    assert dag.schedule == schedule
    assert [task.task_id for task in dag.tasks] == tasks
    for task in dag.tasks:
        assert (task.pool, task.retries) == ("ray", 3)
        assert task.working_dir == f"{{{{ (var.value.get('ingest_jobs_dir', '') | trim or '{REPOSITORY}/ray_jobs') }}}}"
    assert dag.doc_md


def test_the_cleanup_keeps_its_five_minutes_one_run_at_a_time(bag: Any):
    dag = bag.dags["clean_ray_jobs"]
    assert (dag.schedule, dag.max_active_runs, dag.catchup) == ("*/5 * * * *", 1, False)
    assert [task.task_type for task in dag.tasks] == ["RayJobCleanupOperator"]


def test_schedules_are_in_utc_whatever_the_time_zone_of_the_site_is(bag: Any, monkeypatch: pytest.MonkeyPatch):
    """Airflow reads a cron expression in the zone of the start date, which without one is that of the site."""
    monkeypatch.setattr("airflow.sdk.definitions.dag.settings.TIMEZONE", pendulum.timezone("America/New_York"))
    found = DagBag(str(REPOSITORY / "dags")).dags
    assert found.keys() == bag.dags.keys()
    assert {dag_id: str(dag.timezone) for dag_id, dag in found.items()} == dict.fromkeys(found, "UTC")


def test_every_pipeline_can_be_retried(bag: Any):
    scripts = (REPOSITORY / "ray_jobs").glob("ingest_*.py")
    pipelines = bag.dags["retry_failed"].params.get_param("pipeline").schema["enum"]
    assert sorted(pipelines) == sorted(script.stem.removeprefix("ingest_") for script in scripts)


@pytest.mark.parametrize("reason", ["None", "False", "parse/False", "two words", "--limit", "parse/"])
def test_a_reason_that_would_make_another_run_of_it_is_refused(bag: Any, reason: str):
    from airflow.sdk.exceptions import ParamValidationError

    param = bag.dags["retry_failed"].params.get_param("reason")
    assert [param.resolve(good) for good in (None, "Crashed", "parse/Encrypted")]
    with pytest.raises(ParamValidationError):
        param.resolve(reason)


def begins(dag_id: str, conf: dict[str, Any]) -> pytest.MarkDecorator:
    """The test's run is one of this Dag with this form."""
    return pytest.mark.begins(lambda stage: stage.trigger(dag_id, conf))


def argv(stage: Any, dag_id: str, run_id: str, task_id: str) -> list[str]:
    """The arguments that the job of the run was given."""
    assert stage.airflow.wait_run(dag_id, run_id)["state"] == "success"
    return list(stage.airflow.xcom(dag_id, run_id, task_id)["argv"])


@pytest.mark.nightly
@begins("retry_failed", {"source": SOURCE, "pipeline": "pdfs", "reason": "parse/Encrypted", "dry_run": True})
def test_a_retry_of_one_reason_runs_the_pipelines_script_on_failed_objects(stage: Any, begun: str):
    assert argv(stage, "retry_failed", begun, "retry_pdfs") == [
        "--milvus-uri=http://milvus:19530",
        f"--source={SOURCE}",
        "--only-failed=parse/Encrypted",
        "--embedding-model=BAAI/bge-m3",
        "--metadata=path,sidecar,object",
        "--dry-run",
    ]


@pytest.mark.nightly
@begins("retry_failed", {"source": SOURCE})
def test_a_retry_without_a_reason_takes_any(stage: Any, begun: str):
    assert "--only-failed" in argv(stage, "retry_failed", begun, "retry_pdfs")


@begins("retry_failed", {"source": SOURCE, "pipeline": "videos", "language": "zh"})
def test_a_retry_of_videos_takes_their_flags_and_tells_none_of_the_others(stage: Any, begun: str):
    assert argv(stage, "retry_failed", begun, "retry_videos") == [
        "--milvus-uri=http://milvus:19530",
        f"--source={SOURCE}",
        "--only-failed",
        "--whisper-model=small",
        "--language=zh",
        "--embedding-model=BAAI/bge-m3",
        "--clip-model=ViT-B-32",
        "--clip-pretrained=laion2b_s34b_b79k",
        "--metadata=path,sidecar,object",
    ]
    states = {task["task_id"]: task["state"] for task in stage.airflow.task_instances("retry_failed", begun)}
    assert states == {"retry_pdfs": "skipped", "retry_images": "skipped", "retry_videos": "success"}
    events = stage.airflow.api("GET", "/assets/events?source_dag_id=retry_failed&limit=100")["asset_events"]
    named = {event["name"] for event in events if event["source_run_id"] == begun}
    assert named == {"video_segments", "video_frames"}


@begins("maintain_collections", {"mend": True, "drop_old": True, "drop_staged": True, "compact": False})
def test_maintenance_takes_its_form(stage: Any, begun: str):
    assert argv(stage, "maintain_collections", begun, "maintain") == [
        "--milvus-uri=http://milvus:19530", "--mend", "--drop-old", "--drop-staged", "--no-compact",
    ]  # fmt: skip


@begins("sweep", {"pipelines": ["pdfs"], "dry_run": True})
def test_a_sweep_runs_the_chosen_pipelines_script_over_everything(stage: Any, begun: str):
    assert argv(stage, "sweep", begun, "sweep_pdfs") == [
        "--milvus-uri=http://milvus:19530",
        "--source=s3://somewhere/pdfs/",
        "--dry-run",
        "--embedding-model=BAAI/bge-m3",
        "--metadata=path,sidecar,object",
    ]
    states = {task["task_id"]: task["state"] for task in stage.airflow.task_instances("sweep", begun)}
    assert states == {"sweep_pdfs": "success", "sweep_images": "skipped", "sweep_videos": "skipped"}
    assert stage.events_of(begun) == []
