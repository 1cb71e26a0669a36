"""The forms of the Dags as people see them."""

from typing import Any

import pytest
from airflow.sdk import Param
from airflow.sdk.definitions._internal.dag_parsing_context import _airflow_parsing_context_manager

from ray_ingest.forms import RARE, daily_form, sweep_form
from ray_ingest.job_scripts import COLLECTIONS

FORMS = {**{pipeline: daily_form(pipeline) for pipeline in COLLECTIONS}, "sweep": sweep_form()}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_each_field_has_a_title_and_a_value_that_it_accepts(form: dict[str, Param]):
    for param in form.values():
        assert param.schema["title"] and param.description
        param.resolve()


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_only_a_choice_without_an_empty_value_is_marked_as_required(form: dict[str, Param]):
    assert {name for name, param in form.items() if "null" not in param.schema["type"]} <= {"ocr", "pipelines"}


def test_what_few_runs_need_stands_apart_and_models_are_in_sight():
    first = [name for name, param in FORMS["pdfs"].items() if param.schema.get("section") != RARE]
    assert first == ["source", "dry_run", "full_refresh", "embedding_model", "ocr", "caption_model"]
    assert FORMS["pdfs"]["embedding_model"].value == "BAAI/bge-m3"
    assert FORMS["pdfs"]["ocr"].value == "auto"
    assert FORMS["pdfs"]["max_deleted_fraction"].value == 0.2


def test_a_field_shows_the_model_of_the_site(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRFLOW_VAR_INGEST_EMBEDDING_MODEL", "the/model")
    assert daily_form("pdfs")["embedding_model"].value == "the/model"


def test_a_task_that_parses_its_dag_asks_for_no_variable(monkeypatch: pytest.MonkeyPatch):
    def ask(*key: Any, **default: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("ray_ingest.forms.Variable.get", ask)
    with _airflow_parsing_context_manager(dag_id="ingest_pdfs", task_id="ingest"):
        assert daily_form("pdfs")["embedding_model"].value is None
