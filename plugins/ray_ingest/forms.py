"""The forms of the Dags: the ``params`` that a manual trigger can set."""

from __future__ import annotations

from airflow.sdk import Param

from ray_ingest.settings import Setting, settings_of


def model_form(*pipelines: str) -> dict[str, Param]:
    """The fields for the settings of these pipelines and for their resources."""
    fields = {setting.name: _field(setting) for setting in settings_of(*pipelines)}
    fields["resources"] = Param(
        None,
        type=["null", "object"],
        description='Resources of the stages, such as {"embed": {"actors": [1, 4]}}. '
        "Empty: the Variable ingest_resources_<pipeline>; by default, the stages share the cluster.",
    )
    return fields


def daily_form(pipeline: str) -> dict[str, Param]:
    """The form of a pipeline's daily Dag."""
    return {
        "source": Param(
            None,
            type=["null", "string"],
            description="Prefix or folder to ingest instead of the partition's, such as s3://bucket/any/prefix/.",
        ),
        "full_refresh": Param(False, type="boolean", description="Process unchanged files too."),
        "keep_missing": Param(False, type="boolean", description="Keep rows of files that left the source."),
        "migrate": Param(
            False,
            type="boolean",
            description="With another model: build its collection beside the present one; switch when it is complete.",
        ),
        "dry_run": Param(False, type="boolean", description="Only print the changes that a run would make."),
        "limit": Param(None, type=["null", "integer"], minimum=1, description="Process at most this many files."),
        "max_failed_fraction": Param(
            0.1, type="number", minimum=0, maximum=1, description="Fail when a larger fraction of the files fails."
        ),
        **model_form(pipeline),
    }


def _field(setting: Setting) -> Param:
    description = setting.description
    if setting.default is not None:
        description += f" Empty: the Variable ingest_{setting.name}."
    return Param(None, type=["null", setting.type], description=description, **(setting.schema or {}))
