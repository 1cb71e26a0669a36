"""The Jinja templates of the job scripts' flags, and the macros that they call."""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from ray_ingest.milvus import milvus
from ray_ingest.settings import (
    LOOKBACK_DAYS,
    MAX_LOOKBACK_DAYS,
    RUN_SETTINGS,
    SHARED_SETTINGS,
    SWEEP_SETTINGS,
    Setting,
    model_settings,
)


def variable(name: str, default: Any = "") -> str:
    """A Jinja expression for an Airflow Variable.

    An empty one is as good as none. Files and secrets backends leave a line break at the end of a value, which would be
    a part of a prefix, or part it.
    """
    return f"(var.value.get('{name}', '') | trim or {default!r})"


def model_flags(pipeline: str) -> dict[str, str]:
    """The templates of the flags that the fields of ``forms.model_form`` set, for the script of one pipeline."""
    shared = [setting for setting in RUN_SETTINGS if setting.flag in SHARED_SETTINGS]
    flags = {setting.flag: _template(setting) for setting in (*model_settings(pipeline), *shared)}
    resources = f"params.resources | tojson if params.resources else {variable(f'ingest_resources_{pipeline}')}"
    return {**flags, "resources": f"{{{{ {resources} }}}}"}


def daily_flags(pipeline: str) -> dict[str, str]:
    """The templates of the flags that the fields of ``forms.daily_form`` set."""
    source = (
        "{{ params.source or (required(partition_key, NO_PARTITION) and "
        f"day_prefixes({_folder(pipeline)}, partition_key, lookback_days(params.lookback_days, dag_run.run_type, "
        f"{variable('ingest_lookback_days', LOOKBACK_DAYS)}))) }}}}"
    )
    return {**{setting.flag: _template(setting) for setting in RUN_SETTINGS}, **model_flags(pipeline), "source": source}


def sweep_flags(pipeline: str) -> dict[str, str]:
    """The templates of the flags for a run over everything of a pipeline, with the fields of ``forms.sweep_form``."""
    flags = {setting.flag: _template(setting) for setting in RUN_SETTINGS if setting.flag in SWEEP_SETTINGS}
    return {"source": f"{{{{ {_folder(pipeline)} }}}}", **flags, **model_flags(pipeline)}


def check_flags(pipeline: str) -> dict[str, str]:
    """The templates of the flags for the states of a pipeline's days, with the fields of ``forms.check_form``."""
    source = f"{{{{ range_prefixes({_folder(pipeline)}, params.first_day, params.last_day) }}}}"
    return {"source": source, "summary": "True", **model_flags(pipeline)}


def _folder(pipeline: str) -> str:
    """A Jinja expression for the prefix of all partitions of a pipeline."""
    return f"(required({variable('ingest_source_root')}, NO_ROOT).rstrip('/') ~ '/{pipeline}/')"


def day_prefixes(folder: str, partition_key: str, days: int) -> str:
    """The prefix of a day's partition and those of the ``days`` before it, the latest first, one a line.

    A partition whose key is no date has no days before it. Airflow takes 2026-1-31 for a key of the schedule, too.
    """
    try:
        day = datetime.strptime(partition_key, "%Y-%m-%d").date()
        keys = [(day - timedelta(days=number)).isoformat() for number in range(days + 1)]
    except ValueError:
        keys = [partition_key]
    return "\n".join(f"{folder}{key}/" for key in keys)


def range_prefixes(folder: str, first: str, last: str) -> str:
    """The prefixes of all days from ``first`` to ``last``, which are dates like 2026-01-31, one a line."""
    days = (date.fromisoformat(last) - date.fromisoformat(first)).days
    sentence = f"The last day must not be before the first one, and at most {MAX_LOOKBACK_DAYS} days after it."
    required(0 <= days <= MAX_LOOKBACK_DAYS or None, sentence)
    return "\n".join(reversed(day_prefixes(folder, last, days).splitlines()))


def lookback_days(chosen: int | None, run_type: str, site_default: Any) -> int:
    """The number of days before its partition that a run takes too.

    :param chosen: the form's value; by default, scheduled runs take ``site_default`` days and others none.
    :param run_type: of the Dag run, such as ``scheduled``.
    :param site_default: the value of the Variable, which may be any text.
    """
    if chosen is not None:
        return chosen
    if run_type != "scheduled":
        return 0
    text = str(site_default).strip()
    is_valid = text.isascii() and text.isdigit() and int(text) <= MAX_LOOKBACK_DAYS
    sentence = (
        f"The Airflow Variable ingest_lookback_days must be a number of days up to {MAX_LOOKBACK_DAYS}: {text!r}."
    )
    return int(required(text if is_valid else "", sentence))


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
    "day_prefixes": day_prefixes,
    "range_prefixes": range_prefixes,
    "lookback_days": lookback_days,
    "milvus": milvus,
    "NO_PARTITION": (
        "This run has no partition and no source: give a partition key such as 2026-01-31, "
        "or the param 'source' with a prefix such as s3://bucket/any/prefix/."
    ),
    "NO_ROOT": "Set the Airflow Variable ingest_source_root (such as s3://bucket), or give the param 'source'.",
}
"""``user_defined_macros`` of a Dag with a task of ``ray_ingest.factory``."""


def _template(setting: Setting) -> str:
    if not setting.site_default:
        # The default is in the form for people to see; the script knows it.
        return f"{{{{ params.{setting.name} if params.{setting.name} != {setting.default!r} }}}}"
    # Not from params: their default is the Variable's value at the time when the Dag was parsed.
    chosen = f"(dag_run.conf or {{}}).get('{setting.name}')"
    return f"{{{{ {chosen} or {variable(setting.variable, setting.default)} }}}}"
