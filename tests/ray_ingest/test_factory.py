"""The tasks and documents that the factory makes, without an Airflow that runs them."""

import logging
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowRuntimeError, AirflowSkipException, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

from ray_ingest.cleaner import warn_without_cleaner
from ray_ingest.documents import daily_document
from ray_ingest.factory import script_task, skip_unless, with_sources
from ray_ingest.job_scripts import COLLECTIONS


def test_a_task_gives_the_scripts_exit_codes_their_meaning():
    with DAG("a_dag", schedule=None):
        task = script_task("a_task", "a_script.py", {}, __file__)
    assert task.exit_codes == {2: "configuration", 3: "too_many_failed", 4: "dependency_unreachable"}


@pytest.mark.parametrize("pipeline", COLLECTIONS)
def test_the_document_of_a_daily_dag_recommends_one_slot(pipeline):
    assert 'airflow pools set ray 4 "Ray jobs at a time" --include-deferred' in daily_document(pipeline)


def missing(dag_id):
    raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 404}))


@pytest.mark.parametrize(
    ("get_dag", "words"),
    [
        (lambda dag_id: SimpleNamespace(is_paused=True), "The Dag clean_ray_jobs is paused; unpause it"),
        (missing, "There is no Dag clean_ray_jobs"),
        (lambda dag_id: SimpleNamespace(is_paused=False), ""),
    ],
)
def test_a_task_says_so_where_nobody_stops_jobs_that_are_left(get_dag, words, caplog):
    with caplog.at_level(logging.WARNING):
        warn_without_cleaner({"ti": SimpleNamespace(get_dag=get_dag)})
    assert words in caplog.text if words else not caplog.records


@pytest.mark.parametrize("form", [{"pipeline": "pdfs"}, {"pipelines": ["pdfs", "videos"]}])
def test_a_task_of_a_pipeline_that_the_form_does_not_name_is_skipped(form):
    skip_unless("pdfs")({"params": form})
    with pytest.raises(AirflowSkipException, match="This run is for pdfs"):
        skip_unless("images")({"params": form})


def test_several_lines_are_several_sources_and_other_arguments_stay():
    assert with_sources({"source": "a/\nb/", "limit": "1\n2"}) == {"source": ["a/", "b/"], "limit": "1\n2"}
    assert with_sources({"source": "a b/"}) == {"source": "a b/"}
    assert with_sources({}) == {}
