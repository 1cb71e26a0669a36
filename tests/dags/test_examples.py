"""The examples: each parses as it is, and the platform's own Airflow does not show them."""

from pathlib import Path

from airflow.dag_processing.dagbag import DagBag

from ray_ingest.assets import collection_asset

EXAMPLES = Path(__file__).parents[2] / "dags" / "examples"


def test_each_example_parses_and_waits_for_a_trigger_or_a_change():
    found = DagBag(str(EXAMPLES))
    assert found.import_errors == {}
    documents = collection_asset("documents")
    dags = {dag_id: dag.schedule for dag_id, dag in found.dags.items()}
    assert dags.pop("example_documents_by_day").asset_condition == documents
    assert dags == {"example_ray_job": None, "example_documents_changed": [documents]}


def test_the_platform_does_not_load_them():
    found = DagBag(str(EXAMPLES.parent))
    assert "ingest_pdfs" in found.dags
    assert "example_ray_job" not in found.dags
