"""The examples: each parses as it is, and the platform's own Airflow does not show them."""

from pathlib import Path

from airflow.dag_processing.dagbag import DagBag

EXAMPLES = Path(__file__).parents[2] / "dags" / "examples"


def test_each_example_parses_and_waits_for_a_trigger():
    found = DagBag(str(EXAMPLES))
    assert found.import_errors == {}
    assert {dag_id: dag.schedule for dag_id, dag in found.dags.items()} == {"example_ray_job": None}


def test_the_platform_does_not_load_them():
    found = DagBag(str(EXAMPLES.parent))
    assert "ingest_pdfs" in found.dags
    assert "example_ray_job" not in found.dags
