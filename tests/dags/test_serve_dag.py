"""The Dag of the search service loads, and renders the command line that the script takes."""

import copy
import shlex
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Connection

from ingest.run.flags import FlagParser
from ingest.service.command_line import FLAGS
from ray_jobs_api.job_request import command_line

COMMON = ["--milvus-uri=http://milvus:19530"]


@pytest.mark.parametrize(
    ("form", "flags"),
    [
        ({}, ["--replicas=1", "--num-cpus=1", "--num-gpus=0", "--http-host=127.0.0.1"]),
        (
            {"replicas": 0, "num_gpus": 0.25, "http_host": "0.0.0.0", "stop_first": True},
            ["--replicas=0", "--num-cpus=1", "--num-gpus=0.25", "--http-host=0.0.0.0", "--stop-first"],
        ),
        ({"remove": True}, ["--replicas=1", "--num-cpus=1", "--num-gpus=0", "--http-host=127.0.0.1", "--remove"]),
    ],
)
def test_the_form_becomes_flags_of_the_script(bag: Any, form: dict[str, Any], flags: list[str]):
    dag = bag.dags["serve_search"]
    (task,) = dag.tasks
    assert (dag.schedule, task.task_id, task.pool, task.entrypoint) == (None, "serve", "ray", "python serve_search.py")
    milvus = Connection(conn_id="milvus_default", conn_type="milvus", host="milvus")
    context = {
        **dag.user_defined_macros,
        "params": {**dag.params.dump(), **form},
        "var": SimpleNamespace(value={}),
        "conn": {"milvus_default": milvus},
        "ti": SimpleNamespace(task_id="serve", try_number=1, xcom_pull=lambda **of_task: None),
    }
    task = copy.copy(task)
    task.render_template_fields(context, dag.get_template_env())
    words = shlex.split(command_line(["run"], task.arguments))[1:]
    assert words == [*COMMON, *flags]
    FlagParser("", FLAGS).parse_args(words)
