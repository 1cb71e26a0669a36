"""The tasks and documents that the factory makes, without an Airflow that runs them."""

import pytest
from airflow.sdk import DAG

from ray_ingest.documents import daily_document
from ray_ingest.factory import script_task
from ray_ingest.job_scripts import COLLECTIONS


def test_a_task_gives_the_scripts_exit_codes_their_meaning():
    with DAG("a_dag", schedule=None):
        task = script_task("a_task", "a_script.py", {}, __file__)
    assert task.exit_codes == {2: "configuration", 3: "too_many_failed", 4: "dependency_unreachable"}


@pytest.mark.parametrize("pipeline", COLLECTIONS)
def test_the_document_of_a_daily_dag_recommends_one_slot(pipeline):
    assert 'airflow pools set ray 1 "Ray jobs at a time" --include-deferred' in daily_document(pipeline)
