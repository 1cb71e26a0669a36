"""The Jinja templates of the job scripts' flags, and the macros that they call."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from ray_ingest.settings import SETTINGS, Setting


def model_flags(pipeline: str) -> dict[str, str]:
    """The templates of those fields' flags, for the script of one pipeline."""
    flags = {each.flag: _value(each) for each in SETTINGS if pipeline in each.pipelines}
    stored = f"var.value.get('ingest_resources_{pipeline}', '')"
    return {**flags, "resources": f"{{{{ params.resources | tojson if params.resources else {stored} }}}}"}


def required(value: Any, sentence: str) -> Any:
    """The value, or the end of the task with that one sentence when it is None or empty.

    For templates: ``{{ required(partition_key, 'Trigger this Dag with a partition key.') }}``. A retry would render
    the same, so the task fails at once.
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
"""``user_defined_macros`` of a Dag with a task of this module."""


def _value(setting: Setting) -> str:
    if setting.default is None:
        return f"{{{{ params.{setting.name} }}}}"
    return f"{{{{ params.{setting.name} or var.value.get('ingest_{setting.name}', {setting.default!r}) }}}}"
