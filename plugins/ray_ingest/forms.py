"""The forms of the Dags: the ``params`` that a manual trigger can set."""

from __future__ import annotations

from airflow.sdk import Param

from ray_ingest.job_scripts import COLLECTIONS
from ray_ingest.settings import (
    LOOKBACK_DAYS,
    MAX_LOOKBACK_DAYS,
    RUN_SETTINGS,
    SWEEP_SETTINGS,
    Setting,
    model_settings,
)

#: The effect of an empty field, where neither a Variable of its own nor the script's default replaces it.
_EMPTY = {
    "source": "the prefix of the run's partition",
    "resources": "the Variable ingest_resources_<pipeline>",
}


def daily_form(pipeline: str) -> dict[str, Param]:
    """The form of a pipeline's daily Dag."""
    fields = {setting.name: _field(setting) for setting in (*RUN_SETTINGS, *model_settings(pipeline))}
    fields["lookback_days"] = Param(
        None,
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
    pipelines = Param(
        list(COLLECTIONS),
        type="array",
        items={"type": "string", "enum": list(COLLECTIONS)},
        minItems=1,
        description="The pipelines to sweep.",
    )
    return {"pipelines": pipelines, **{setting.name: _field(setting) for setting in wanted}, **model_form(*COLLECTIONS)}


def model_form(*pipelines: str) -> dict[str, Param]:
    """The fields for the models and the resources of these pipelines."""
    resources = [setting for setting in RUN_SETTINGS if setting.flag == "resources"]
    return {setting.name: _field(setting) for setting in (*model_settings(*pipelines), *resources)}


def _field(setting: Setting) -> Param:
    schema = dict(setting.schema)
    if schema["type"] == "boolean":
        return Param(False, description=setting.help, **schema)
    empty = _EMPTY.get(setting.flag) or (f"the Variable {setting.variable}" if setting.site_default else "")
    if setting.default not in (None, ""):
        empty = f"{empty}, or else {setting.default}" if empty else str(setting.default)
    schema["type"] = ["null", schema["type"]]
    if "enum" in schema:
        schema["enum"] = [None, *schema["enum"]]
    return Param(None, description=f"{setting.help} Empty: {empty}." if empty else setting.help, **schema)
