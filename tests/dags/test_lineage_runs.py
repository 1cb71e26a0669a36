"""What the demo's runs told OpenLineage: inputs are prefixes of the store, outputs the collections with their rows.

uv run --with apache-airflow-providers-openlineage pytest -n 0 tests/dags/test_lineage_runs.py
"""

import importlib.util
import json
from typing import Any

import pytest

from ray_ingest.job_scripts import COLLECTIONS

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("airflow.providers.openlineage") is None,
    reason="the provider for OpenLineage is not installed here",
)


def test_each_run_of_the_demo_has_its_prefix_and_the_rows_that_it_wrote(stage: Any):
    server = f"milvus://{stage.milvus_uri.removeprefix('http://')}"
    expected = []
    for report in stage.metrics.demo_reports:
        bucket, _, prefix = report["source"].removeprefix("s3://").partition("/")
        rows = [(server, f"default.{name}", count) for name, count in report["rows_by_collection"].items()]
        assert len(rows) == len(COLLECTIONS[report["pipeline"]])
        expected.append(([(f"s3://{bucket}", prefix.strip("/"))], rows))
    told = [json.loads(line) for line in (stage.folder / "lineage.jsonl").read_text().splitlines()]
    found = [
        (
            [(each["namespace"], each["name"]) for each in event["inputs"]],
            [
                (each["namespace"], each["name"], each["outputFacets"]["outputStatistics"]["rowCount"])
                for each in event["outputs"]
            ],
        )
        for event in told
        # The stand-ins of other tests write to a server that does not exist.
        if event["eventType"] == "COMPLETE" and server in {each["namespace"] for each in event["outputs"]}
    ]
    assert sorted(found) == sorted(expected)
