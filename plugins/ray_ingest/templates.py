"""The Jinja templates of the job scripts' flags, and the macros that they call."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from ray_ingest.settings import RUN_SETTINGS, Setting, model_settings


def model_flags(pipeline: str) -> dict[str, str]:
    """The templates of the flags that the fields of ``forms.model_form`` set, for the script of one pipeline."""
    flags = {setting.flag: _template(setting) for setting in model_settings(pipeline)}
    variable = f"var.value.get('ingest_resources_{pipeline}', '')"
    return {**flags, "resources": f"{{{{ params.resources | tojson if params.resources else {variable} }}}}"}


def daily_flags(pipeline: str) -> dict[str, str]:
    """The templates of the flags that the fields of ``forms.daily_form`` set."""
    source = (
        "{{ params.source or (required(partition_key, NO_PARTITION) and "
        "required(var.value.get('ingest_source_root', ''), NO_ROOT).rstrip('/') "
        f"~ '/{pipeline}/' ~ partition_key ~ '/') }}}}"
    )
    return {**{setting.flag: _template(setting) for setting in RUN_SETTINGS}, **model_flags(pipeline), "source": source}


def required(value: Any, sentence: str) -> Any:
    """The value; when it is None or empty, the task fails permanently with that one sentence.

    For templates: ``{{ required(partition_key, 'Trigger this Dag with a partition key.') }}``. A retry would render the
    same value.
    """
    if value is None or value == "":
        logging.getLogger("airflow.task").error("%s", sentence)
        raise AirflowFailException(sentence)
    return value


MACROS = {
    "required": required,
    "NO_MILVUS": "Set the Airflow Variable ingest_milvus_uri (such as http://milvus:19530).",
    "NO_PARTITION": (
        "This run has no partition and no source: give a partition key such as 2026-01-31, "
        "or the param 'source' with a prefix such as s3://bucket/any/prefix/."
    ),
    "NO_ROOT": "Set the Airflow Variable ingest_source_root (such as s3://bucket), or give the param 'source'.",
}
"""``user_defined_macros`` of a Dag with a task of ``ray_ingest.factory``."""


def _template(setting: Setting) -> str:
    if not setting.site_default:
        return f"{{{{ params.{setting.name} }}}}"
    return f"{{{{ params.{setting.name} or var.value.get('{setting.variable}', {setting.default!r}) }}}}"
