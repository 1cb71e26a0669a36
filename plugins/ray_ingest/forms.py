"""The forms of the Dags: the ``params`` that a manual trigger can set.

A field whose type allows null is not marked as required, so the types of fields that have a default allow it. An empty
field leaves its flag to the Variable or to the script.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, Variable, get_parsing_context

from ray_ingest.job_scripts import COLLECTIONS
from ray_ingest.settings import (
    LOOKBACK_DAYS,
    MAX_LOOKBACK_DAYS,
    RUN_SETTINGS,
    SHARED_SETTINGS,
    SWEEP_SETTINGS,
    Setting,
    model_settings,
)

RARE = "Rarely needed"
"""The section of a form, closed at first, with the fields that few runs need."""

#: Texts of fields that differ from the help of their flags.
_DESCRIPTIONS = {
    "source": "A prefix such as s3://bucket/any/prefix/, or a folder on the Ray nodes. Empty: the day of the run's "
    "partition key.",
}


def daily_form(pipeline: str) -> dict[str, Param]:
    """The form of a pipeline's daily Dag."""
    settings = [*RUN_SETTINGS, *model_settings(pipeline)]
    fields = {setting.name: _field(setting) for setting in settings}
    fields["lookback_days"] = Param(
        None,
        title="Days before to take too",
        section=RARE,
        type=["null", "integer"],
        minimum=0,
        maximum=MAX_LOOKBACK_DAYS,
        description="Days before the partition that the run takes too, for objects that came late, changed or left. "
        f"Empty: the Variable ingest_lookback_days, or else {LOOKBACK_DAYS}, in scheduled runs; none in others. With a "
        "source, none.",
    )
    return fields


def sweep_form() -> dict[str, Param]:
    """The form of the Dag that runs over everything."""
    wanted = [setting for setting in RUN_SETTINGS if setting.flag in SWEEP_SETTINGS]
    fields = {setting.name: _field(setting) for setting in wanted}
    return {"pipelines": _pipelines("The pipelines to sweep."), **fields, **model_form(*COLLECTIONS)}


def check_form() -> dict[str, Param]:
    """The form of the Dag that tells the states of days."""
    return {
        "first_day": Param(title="First day", type="string", format="date"),
        "last_day": Param(title="Last day", type="string", format="date"),
        "pipelines": _pipelines("The pipelines to check."),
        **model_form(*COLLECTIONS),
    }


def _pipelines(description: str) -> Param:
    return Param(
        list(COLLECTIONS),
        title="Pipelines",
        type="array",
        items={"type": "string", "enum": list(COLLECTIONS)},
        examples=list(COLLECTIONS),
        minItems=1,
        description=description,
    )


def model_form(*pipelines: str) -> dict[str, Param]:
    """The fields for the models of these pipelines, and those that all runs need alike."""
    shared = [setting for setting in RUN_SETTINGS if setting.flag in SHARED_SETTINGS]
    return {setting.name: _field(setting) for setting in (*model_settings(*pipelines), *shared)}


def switch(title: str, description: str, default: bool = False) -> Param:
    """A field that is on or off."""
    return Param(default, title=title, description=description, type=["null", "boolean"])


def _field(setting: Setting) -> Param:
    schema: dict[str, Any] = {"title": setting.title, **setting.schema}
    if "enum" not in schema:  # whose null would be one more choice
        schema["type"] = ["null", schema["type"]]
    if setting.rare:
        schema["section"] = RARE
    default, description = setting.default, _DESCRIPTIONS.get(setting.flag, setting.help)
    if setting.site_default:
        default = _site_default(setting)
        description += f" Empty: the Variable {setting.variable}"
        description += f", or else {setting.default}." if setting.default else "."
    elif setting.flag == "resources":
        description += " Empty: the Variable ingest_resources_<pipeline>."
    return Param(None if default == "" else default, description=description, **schema)


def _site_default(setting: Setting) -> Any:
    """The value that a run takes if the field is left as it is, for people to see.

    Runs themselves look it up when they begin (``templates``), so the lookup is left out where a task parses the file.
    """
    if get_parsing_context().dag_id is not None:
        return None
    return str(Variable.get(setting.variable, default="")).strip() or setting.default
