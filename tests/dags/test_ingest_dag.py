"""The daily Dags load, and render the command lines of their jobs from forms and Variables."""

import copy
import json
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowFailException

from ray_ingest.assets import collection_asset
from ray_jobs_api.job_request import command_line

REPOSITORY = Path(__file__).parents[2]


NEW = SimpleNamespace(task_id="ingest", try_number=1, xcom_pull=lambda **of_task: None)
"""The instance of a task that begins."""
CONNECTIONS = {"milvus_default": Connection(conn_id="milvus_default", conn_type="milvus", host="milvus")}
PIPELINES = {"pdfs": ["documents"], "images": ["images"], "videos": ["video_segments", "video_frames"]}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_each_loads_in_a_real_dagbag(bag: Any, pipeline: str):
    dag = bag.dags[f"ingest_{pipeline}"]
    (task,) = dag.tasks
    assert (task.task_id, task.pool, task.entrypoint) == ("ingest", "ray", f"python ingest_{pipeline}.py")
    assert [asset.name for asset in task.outlets] == PIPELINES[pipeline]
    assert repr(dag.schedule) == repr(bag.dags["ingest_pdfs"].schedule)
    assert f"/{pipeline}/2026-01-31/" in dag.doc_md
    assert f"--dag-id {dag.dag_id} " in dag.doc_md


def test_every_outlet_of_every_dag_is_the_asset_with_the_uri(bag: Any):
    """For Airflow, one without it would be another asset with the same name, and one of the two inactive."""
    outlets = {asset for dag in bag.dags.values() for task in dag.tasks for asset in task.outlets}
    assert outlets == {collection_asset(name) for names in PIPELINES.values() for name in names}


def rendered(bag: Any, pipeline: str, form: dict[str, Any], **variables: str) -> dict[str, str]:
    """The flags that a run of the day 2026-01-31 with this form gives its script, as the operator would write them."""
    words = command_of(bag, pipeline, form, "manual", **variables)
    return dict(word.removeprefix("--").partition("=")[::2] for word in words)


def command_of(
    bag: Any, pipeline: str, form: dict[str, Any], run_type: str, key: str = "2026-01-31", **variables: str
) -> list[str]:
    """The words behind the command of a run of this partition."""
    task = rendered_task(bag, pipeline, form, run_type, CONNECTIONS, key, **variables)
    return shlex.split(command_line(["run"], task.arguments))[1:]


def rendered_task(
    bag: Any,
    pipeline: str,
    form: dict[str, Any],
    run_type: str,
    connections: dict[str, Connection],
    key: str = "2026-01-31",
    **variables: str,
) -> Any:
    """The task of a run of this partition, as it executes."""
    dag = bag.dags[f"ingest_{pipeline}"]
    assert set(form) <= set(dag.params)
    known = {"ingest_source_root": "s3://somewhere/", **variables}
    context = {
        **dag.user_defined_macros,
        "params": {name: form.get(name, value) for name, value in dag.params.dump().items()},
        "partition_key": key,
        "dag_run": SimpleNamespace(run_type=run_type, conf=form),
        "var": SimpleNamespace(value=known),
        "conn": connections,
        "ti": NEW,
    }
    task = copy.copy(dag.tasks[0])
    task.render_template_fields(context, dag.get_template_env())
    return task


COMMON = {"milvus-uri": "http://milvus:19530", "metadata": "path,sidecar,object"}
CLIP = {"clip-model": "ViT-B-32", "clip-pretrained": "laion2b_s34b_b79k"}
DEFAULTS = {
    "pdfs": {"embedding-model": "BAAI/bge-m3"},
    "images": CLIP,
    "videos": {"embedding-model": "BAAI/bge-m3", **CLIP, "whisper-model": "small"},
}
SET = {
    "pdfs": {"caption_model": "/models/blip", "ocr": "off", "chunk_tokens": 128, "chunk_overlap": 16},
    "images": {"clip_model": "ViT-L-14", "clip_pretrained": "openai"},
    "videos": {
        "whisper_model": "/models/whisper",
        "language": "zh",
        "embedding_model": "m",
        "clip_model": "local-dir:c",
    },
}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_an_empty_form_gives_the_days_prefix_and_the_defaults(bag: Any, pipeline: str):
    expected = {"source": f"s3://somewhere/{pipeline}/2026-01-31/", **COMMON, **DEFAULTS[pipeline]}
    assert rendered(bag, pipeline, {}) == expected


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_form_that_is_sent_as_it_is_is_an_empty_one(bag: Any, pipeline: str):
    """The Airflow UI sends every field."""
    assert rendered(bag, pipeline, bag.dags[f"ingest_{pipeline}"].params.dump()) == rendered(bag, pipeline, {})


@pytest.mark.parametrize(
    ("extra", "variables"),
    [("{}", {}), ('{"token_variable": "TEAM_A"}', {"MILVUS_TOKEN_VARIABLE": "TEAM_A"})],
)
def test_the_job_gets_the_name_of_its_token_and_never_a_token(bag: Any, extra: str, variables: dict[str, str]):
    server = Connection(conn_id="milvus_default", conn_type="milvus", host="milvus", password="the:token", extra=extra)
    task = rendered_task(bag, "pdfs", {}, "manual", {"milvus_default": server})
    assert task.runtime_env == {"env_vars": variables}
    assert "the:token" not in json.dumps([task.arguments, task.runtime_env, task.entrypoint])


def sources(*arguments: Any, **options: str) -> list[str]:
    """What a run takes, below the root of its pipeline."""
    words = [word.partition("=") for word in command_of(*arguments, **options)]
    return [value.removeprefix("s3://somewhere/pdfs/") for flag, _, value in words if flag == "--source"]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_scheduled_run_takes_the_three_days_before_its_own_too(bag: Any, pipeline: str):
    days = ["2026-01-31", "2026-01-30", "2026-01-29", "2026-01-28"]
    words = command_of(bag, pipeline, {}, "scheduled")
    assert [word for word in words if word.startswith("--source")] == [
        f"--source=s3://somewhere/{pipeline}/{day}/" for day in days
    ]


@pytest.mark.parametrize(
    ("form", "run_type", "variable", "days"),
    [
        ({}, "scheduled", "0", 0),
        ({}, "scheduled", "1", 1),
        ({}, "backfill", "2", 0),
        ({}, "manual", "2", 0),
        ({"lookback_days": 2}, "manual", "1", 2),
        ({"lookback_days": 2}, "backfill", "1", 2),
        ({"lookback_days": 0}, "scheduled", "1", 0),
    ],
)
def test_other_runs_look_back_only_where_the_form_says_so(
    bag: Any, form: dict[str, Any], run_type: str, variable: str, days: int
):
    found = sources(bag, "pdfs", form, run_type, ingest_lookback_days=variable)
    assert found == ["2026-01-31/", "2026-01-30/", "2026-01-29/"][: days + 1]


def test_a_run_with_a_source_takes_no_day(bag: Any):
    assert sources(bag, "pdfs", {"source": "/data", "lookback_days": 2}, "scheduled") == ["/data"]


def test_days_before_the_first_of_a_month_and_keys_that_are_no_dates(bag: Any):
    assert sources(bag, "pdfs", {"lookback_days": 1}, "manual", key="2024-03-01") == ["2024-03-01/", "2024-02-29/"]
    assert sources(bag, "pdfs", {"lookback_days": 1}, "manual", key="2026-01-31T05") == ["2026-01-31T05/"]


def test_a_day_without_zeros_is_the_same_day(bag: Any):
    """Airflow takes such a key, and an empty prefix would look like a day without files."""
    assert sources(bag, "pdfs", {"lookback_days": 1}, "manual", key="2026-3-1") == ["2026-03-01/", "2026-02-28/"]


@pytest.mark.parametrize("value", ["three", "-1", "1.5", "367"])
def test_a_variable_that_is_no_number_of_days_fails_at_once_with_a_sentence(bag: Any, value: str):
    with pytest.raises(AirflowFailException, match="ingest_lookback_days must be a number of days up to 366"):
        sources(bag, "pdfs", {}, "scheduled", ingest_lookback_days=value)


SITE = {
    "ingest_source_root": "s3://somewhere/",
    "ingest_lookback_days": "1",
    "ingest_embedding_model": "/models/text",
    "ingest_resources_pdfs": "{}",
    "ingest_collection_prefix": "site_",
}


def test_a_line_break_at_the_end_of_a_variable_is_no_part_of_it(bag: Any):
    expected = command_of(bag, "pdfs", {}, "scheduled", **SITE)
    with_breaks = {name: f"{value}\n" for name, value in SITE.items()}
    assert command_of(bag, "pdfs", {}, "scheduled", **with_breaks) == expected


def test_an_empty_variable_is_as_good_as_none(bag: Any):
    names = [*(name for name in SITE if name != "ingest_source_root"), "ingest_jobs_dir"]
    tasks = [
        rendered_task(bag, "pdfs", {}, "scheduled", CONNECTIONS, **variables)
        for variables in ({}, dict.fromkeys(names, " "))
    ]
    assert tasks[0].arguments == tasks[1].arguments and tasks[0].working_dir == tasks[1].working_dir


def test_a_sweep_takes_everything_of_each_pipeline_with_the_models_of_the_daily_runs(bag: Any):
    dag = bag.dags["sweep"]
    assert [task.task_id for task in dag.tasks] == [f"sweep_{pipeline}" for pipeline in PIPELINES]
    known = {"ingest_source_root": "s3://somewhere"}
    params = dag.params.dump() | {"dry_run": True}
    run = SimpleNamespace(conf=None)
    variables = SimpleNamespace(value=known)
    context = {
        **dag.user_defined_macros,
        "params": params,
        "dag_run": run,
        "var": variables,
        "conn": CONNECTIONS,
        "ti": NEW,
    }
    for pipeline, task in zip(PIPELINES, dag.tasks, strict=True):
        arguments = task.render_template(task.arguments, context, dag.get_template_env())
        words = shlex.split(command_line(["run"], arguments))[1:]
        found = dict(word.removeprefix("--").partition("=")[::2] for word in words)
        assert found == {"source": f"s3://somewhere/{pipeline}/", **COMMON, **DEFAULTS[pipeline], "dry-run": ""}
        assert [asset.name for asset in task.outlets] == PIPELINES[pipeline]


def check(bag: Any, pipeline: str, **form: Any) -> list[str]:
    """The words behind the command of a check of some days."""
    dag = bag.dags["check_days"]
    params = {**{name: param.value for name, param in dag.params.items()}, **form}
    run, var = SimpleNamespace(conf=form), SimpleNamespace(value={"ingest_source_root": "s3://somewhere"})
    context = {**dag.user_defined_macros, "params": params, "dag_run": run, "var": var, "conn": CONNECTIONS, "ti": NEW}
    task = copy.copy(dag.get_task(f"check_{pipeline}"))
    task.render_template_fields(context, dag.get_template_env())
    return shlex.split(command_line(["run"], task.arguments))[1:]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_check_takes_each_day_of_its_range_with_the_models_of_the_daily_runs(bag: Any, pipeline: str):
    words = check(bag, pipeline, first_day="2026-01-30", last_day="2026-02-01")
    days = [word.removeprefix("--source=") for word in words if word.startswith("--source=")]
    assert days == [f"s3://somewhere/{pipeline}/{day}/" for day in ("2026-01-30", "2026-01-31", "2026-02-01")]
    found = dict(word.removeprefix("--").partition("=")[::2] for word in words if not word.startswith("--source="))
    assert found == {**COMMON, **DEFAULTS[pipeline], "summary": ""}


@pytest.mark.parametrize(("first", "last"), [("2026-02-01", "2026-01-31"), ("2025-01-01", "2026-12-31")])
def test_a_check_of_no_days_or_too_many_fails_at_once_with_a_sentence(bag: Any, first: str, last: str):
    with pytest.raises(AirflowFailException, match="must not be before the first one, and at most 366 days after it"):
        check(bag, "pdfs", first_day=first, last_day=last)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_filled_form_goes_before_variables(bag: Any, pipeline: str):
    other = {f"ingest_{name}": "of the site" for name in SET[pipeline]}
    found = rendered(bag, pipeline, {"source": "/data", **SET[pipeline]}, **other)
    flags_set = {name.replace("_", "-"): str(value) for name, value in SET[pipeline].items()}
    assert found == {"source": "/data", **COMMON, **DEFAULTS[pipeline], **flags_set}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_variables_go_before_defaults(bag: Any, pipeline: str):
    names = ["embedding_model", "clip_model", "clip_pretrained", "whisper_model", "caption_model"]
    found = rendered(bag, pipeline, {}, **{f"ingest_{name}": f"the {name}" for name in names})
    flags_set = {
        name.replace("_", "-"): f"the {name}" for name in names if name in bag.dags[f"ingest_{pipeline}"].params
    }
    assert {flag: value for flag, value in found.items() if flag not in (*COMMON, "source")} == flags_set


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_resources_come_from_the_form_or_the_pipelines_variable(bag: Any, pipeline: str):
    wanted = {"embed": {"actors": [1, 4], "gpus": 0.5}}
    variables = {f"ingest_resources_{each}": json.dumps({each: {}}) for each in PIPELINES}
    assert json.loads(rendered(bag, pipeline, {"resources": wanted}, **variables)["resources"]) == wanted
    assert json.loads(rendered(bag, pipeline, {}, **variables)["resources"]) == {pipeline: {}}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_script_knows_every_flag(bag: Any, pipeline: str):
    script = REPOSITORY / "ray_jobs" / f"ingest_{pipeline}.py"
    known = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=True).stdout
    (task,) = bag.dags[f"ingest_{pipeline}"].tasks
    assert [flag for flag in task.arguments if f"--{flag} " not in known and f"--{flag}]" not in known] == []
