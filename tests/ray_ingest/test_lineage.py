"""The datasets of a run in OpenLineage: their names, and the events of the optional provider."""

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException

from ray_ingest.factory import ScriptOperator, daily_task, skip_unless, sweep_task
from ray_ingest.lineage import input_name, output_name

ARGUMENTS = {"source": ["s3://bucket/pdfs/2026-01-31/", "s3://bucket/pdfs/2026-01-30/"], "collection": "site_"}
MILVUS = {"milvus-uri": "http://user:secret@milvus:19530/library"}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("s3://bucket/pdfs/2026-01-31/", ("s3://bucket", "pdfs/2026-01-31")),
        ("s3://bucket/pdfs/2026-", ("s3://bucket", "pdfs/2026-")),
        ("s3://bucket", ("s3://bucket", "/")),
        ("file:///data/day/", ("file", "/data/day")),
        ("/data/day", ("file", "/data/day")),
    ],
)
def test_a_source_is_named_as_openlineage_names_it(source: str, name: tuple[str, str]):
    assert input_name(source) == name


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("http://milvus:19530", ("milvus://milvus:19530", "default.documents")),
        ("https://user:secret@milvus:19530/library", ("milvus://milvus:19530", "library.documents")),
    ],
)
def test_a_collection_is_named_by_its_server_and_database_without_credentials(uri: str, name: tuple[str, str]):
    assert output_name(uri, "documents") == name


def task_of(pipeline: str, arguments: dict[str, Any]) -> ScriptOperator:
    with DAG("a_dag", schedule=None):
        task = daily_task(pipeline, __file__)
    assert isinstance(task, ScriptOperator)
    task.arguments = {**MILVUS, **arguments}
    task.is_rendered = True
    return task


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a task through the provider, as its listener does; the datasets of the events that its transport writes."""
    pytest.importorskip("airflow.providers.openlineage", reason="the provider for OpenLineage is not installed here")
    from datetime import UTC, datetime

    from airflow.providers.openlineage.extractors.base import DefaultExtractor
    from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter
    from openlineage.client import OpenLineageClient
    from openlineage.client.transport.file import FileConfig, FileTransport
    from openlineage.client.uuid import generate_new_uuid

    log = tmp_path / "events.json"
    client = OpenLineageClient(transport=FileTransport(FileConfig(log_file_path=str(log), append=True)))
    adapter = OpenLineageAdapter(client)

    def run(task: ScriptOperator, report: dict[str, Any] | None) -> list[dict[str, Any]]:
        extractor, now = DefaultExtractor(task), datetime.now(UTC).isoformat()
        common = {"run_id": str(generate_new_uuid()), "job_name": "a_dag.ingest", "run_facets": {}}
        adapter.start_task(
            **common, job_description=None, event_time=now, nominal_start_time=None, nominal_end_time=None, owners=[],
            job_description_type=None, tags=[], task=extractor.extract(),
        )  # fmt: skip
        task.report = report
        found = extractor.extract_on_complete(SimpleNamespace())
        adapter.complete_task(
            **common, end_time=now, task=found, nominal_start_time=None, nominal_end_time=None, owners=[],
            job_description=None, job_description_type=None, tags=[],
        )  # fmt: skip
        return [json.loads(line) for line in log.read_text().splitlines()]

    return run


def shown(datasets: list[dict[str, Any]]) -> list[tuple[str, str, int | None]]:
    return [
        (found["namespace"], found["name"], found.get("outputFacets", {}).get("outputStatistics", {}).get("rowCount"))
        for found in datasets
    ]


def test_the_events_have_the_sources_and_the_collections_with_their_rows(events: Any):
    rows = {"video_segments": 20, "video_frames": 3}
    start, complete = events(task_of("videos", ARGUMENTS), {"rows_by_collection": rows})
    for event in (start, complete):
        assert shown(event["inputs"]) == [
            ("s3://bucket", "pdfs/2026-01-31", None), ("s3://bucket", "pdfs/2026-01-30", None)
        ]  # fmt: skip
    names = [
        ("milvus://milvus:19530", "library.site_video_segments"),
        ("milvus://milvus:19530", "library.site_video_frames"),
    ]
    assert shown(start["outputs"]) == [(*name, None) for name in names]
    assert shown(complete["outputs"]) == [(*names[0], 20), (*names[1], 3)]


def test_a_dry_run_writes_nothing(events: Any):
    start, complete = events(task_of("pdfs", {**ARGUMENTS, "dry-run": "True"}), {"dry_run": True})
    assert start["outputs"] == complete["outputs"] == [] and len(complete["inputs"]) == 2


@pytest.mark.parametrize("state", ["skipped", "failed"])
def test_a_task_that_ran_nothing_has_no_datasets(state: str):
    """It was skipped, as two of three of `retry_failed`, or a template has failed, as without a partition."""
    task = task_of("pdfs", ARGUMENTS)
    task.is_rendered = state == "skipped"
    assert task.get_openlineage_facets_on_complete(SimpleNamespace(state=state)) is None


@pytest.mark.parametrize(("pipelines", "told"), [(["images", "videos"], False), (["images", "pdfs"], True)])
def test_a_task_that_will_be_skipped_has_no_datasets_at_its_start(
    monkeypatch: pytest.MonkeyPatch, pipelines: list[str], told: bool
):
    monkeypatch.setattr("ray_ingest.factory.lineage", lambda *of_task: "datasets")
    with DAG("a_dag", schedule=None):
        task = sweep_task("pdfs", __file__)
    task.arguments, task.runtime_env, task.working_dir = {**MILVUS, **ARGUMENTS}, {}, "s3://code/jobs.zip"
    ti = SimpleNamespace(task_id="sweep_pdfs", try_number=1, xcom_pull=lambda **of_task: None)
    task.render_template_fields({"params": {"pipelines": pipelines}, "ti": ti})
    assert task.get_openlineage_facets_on_start() == ("datasets" if told else None)
    with pytest.raises(AirflowSkipException) if not told else nullcontext():
        skip_unless("pdfs")({"params": {"pipelines": pipelines}})
