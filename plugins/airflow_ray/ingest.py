"""What the Dags of this repository share: the pipelines' flags, their forms and documents, and how a script is run.

Here and not beside the Dags, since what is installed can be imported wherever Airflow reads a Dag file from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Asset, Param
from airflow.sdk.exceptions import AirflowSkipException

from .operator import RayOperator
from .templates import required

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

OUTLETS = {"pdfs": ("documents",), "images": ("images",), "videos": ("video_segments", "video_frames")}
"""The collections that each pipeline writes; assets have their names."""


@dataclass(frozen=True)
class Setting:
    """A flag of some pipelines' scripts that a run's form can set.

    :param flag: its name without dashes; the form's field has underscores in it.
    :param pipelines: those whose script has the flag.
    :param description: of the field.
    :param schema: of the field's value, in JSON Schema beside the type.
    :param default: what stands for an empty field: the Airflow Variable ``ingest_<name>``, or else this; without one,
        the script's own default.
    """

    flag: str
    pipelines: tuple[str, ...]
    description: str
    type: str = "string"
    schema: Mapping[str, Any] | None = None
    default: str | None = None

    @property
    def name(self) -> str:
        return self.flag.replace("-", "_")

    def param(self) -> Param:
        description = self.description
        if self.default is not None:
            description += f" Empty: the Variable ingest_{self.name}."
        return Param(None, type=["null", self.type], description=description, **(self.schema or {}))

    def value(self) -> str:
        if self.default is None:
            return f"{{{{ params.{self.name} }}}}"
        return f"{{{{ params.{self.name} or var.value.get('ingest_{self.name}', {self.default!r}) }}}}"


SETTINGS = (
    Setting(
        "embedding-model", ("pdfs", "videos"), "A sentence-transformers model or a local path.", default="BAAI/bge-m3"
    ),
    Setting("chunk-tokens", ("pdfs",), "Size of a chunk in tokens of the model.", "integer", {"minimum": 16}),
    Setting("chunk-overlap", ("pdfs",), "Tokens that neighbouring chunks share.", "integer", {"minimum": 0}),
    Setting("ocr", ("pdfs",), "Whether scanned pages are read; empty: auto.", schema={"enum": [None, "auto", "off"]}),
    Setting("caption-model", ("pdfs",), "Describes figures; a transformers model or a local path.", default=""),
    Setting("clip-model", ("images", "videos"), "An open_clip model or a local path.", default="ViT-B-32"),
    Setting(
        "clip-pretrained", ("images", "videos"), "Weights of that model, by open_clip's name.",
        default="laion2b_s34b_b79k",
    ),
    Setting("whisper-model", ("videos",), "A faster-whisper model or a local path.", default="small"),
    Setting("language", ("videos",), "Of the speech, such as en or zh; empty: detected."),
)  # fmt: skip


def model_form(*pipelines: str) -> dict[str, Param]:
    """The fields for the settings of pipelines, and for their resources."""
    fields = {each.name: each.param() for each in SETTINGS if set(each.pipelines) & set(pipelines)}
    fields["resources"] = Param(
        None,
        type=["null", "object"],
        description='What the stages take of the cluster, such as {"embed": {"actors": [1, 4]}}. '
        "Empty: the Variable ingest_resources_<pipeline>, or else shared out by what there is.",
    )
    return fields


def model_flags(pipeline: str) -> dict[str, str]:
    """The templates of those fields' flags, for the script of one pipeline."""
    flags = {each.flag: each.value() for each in SETTINGS if pipeline in each.pipelines}
    stored = f"var.value.get('ingest_resources_{pipeline}', '')"
    return {**flags, "resources": f"{{{{ params.resources | tojson if params.resources else {stored} }}}}"}


def day_form(pipeline: str) -> dict[str, Param]:
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
        "dry_run": Param(False, type="boolean", description="Only print what would be done."),
        "limit": Param(None, type=["null", "integer"], minimum=1, description="Process at most this many files."),
        "max_failed_fraction": Param(
            0.1, type="number", minimum=0, maximum=1, description="Fail when a larger share of the files fails."
        ),
        **model_form(pipeline),
    }


def day_document(pipeline: str) -> str:
    """What the document of a pipeline's daily Dag says beside what it makes: when it runs, and what to do."""
    variables = [f"ingest_{each.name}" for each in SETTINGS if pipeline in each.pipelines and each.default is not None]
    names = ", ".join(f"`{name}`" for name in (*variables, f"ingest_resources_{pipeline}"))
    return f"""
Scheduled at 00:00 UTC for the day that has just ended: partition `2026-01-31` reads
`<ingest_source_root>/{pipeline}/2026-01-31/`.

* **A run failed.** The last lines of the task's log hold one sentence with the reason and what to do. Exit code 4 (a
  store was down) and failures of Ray are retried; 2 (configuration) and 3 (too many bad files) are not.
* **Files failed, and the cause is mended:** trigger the Dag `retry_failed` with their prefix.
* **Run a day again:** clear its task. Unchanged files are skipped, so it costs little; nothing is doubled.
* **Run past days:** `airflow backfill create --dag-id ingest_{pipeline} --from-date 2026-01-01 --to-date 2026-01-31`
* **Run any prefix:** trigger with the param `source`.
* **Stop it:** mark the task failed. Its Ray job is stopped; what it wrote is completed by the next run.
* **Look inside:** the button *Ray job* of the task; the report is the task's XCom and the `extra` of the asset event.

Site settings are Airflow Variables: `ingest_source_root`, `ingest_milvus_uri`, `ingest_collection_prefix`,
`ingest_jobs_dir`, {names}. The connection `ray_default` names the cluster. Credentials of the object store and of
Milvus belong in the environment of the Ray nodes, not here. The pool `ray` bounds how many jobs the cluster gets at a
time. Give it one slot, because each job plans for the whole cluster:
`airflow pools set ray 1 "Ray jobs at a time" --include-deferred`
"""


def ingest_day(pipeline: str, dag_file: str) -> RayOperator:
    """The task of a pipeline's daily Dag: the partition's prefix, or the form's ``source``."""
    return run_script(
        "ingest",
        f"ingest_{pipeline}.py",
        {
            "source": "{{ params.source or (required(partition_key, NO_PARTITION) and "
            "required(var.value.get('ingest_source_root', ''), NO_ROOT).rstrip('/') "
            f"~ '/{pipeline}/' ~ partition_key ~ '/') }}}}",
            **model_flags(pipeline),
            "max-failed-fraction": "{{ params.max_failed_fraction }}",
            "limit": "{{ params.limit }}",
            "full-refresh": "{{ params.full_refresh }}",
            "keep-missing": "{{ params.keep_missing }}",
            "migrate": "{{ params.migrate }}",
            "dry-run": "{{ params.dry_run }}",
        },
        dag_file,
        outlets=[Asset(name) for name in OUTLETS[pipeline]],
    )


def skip_unless(pipeline: str) -> Callable[[Any], None]:
    """A ``pre_execute`` hook that skips the task when the form's ``pipeline`` is another."""

    def check(context: Any) -> None:
        if context["params"]["pipeline"] != pipeline:
            raise AirflowSkipException(f"This run is about {context['params']['pipeline']}.")

    return check


def run_script(
    task_id: str,
    script: str,
    arguments: Mapping[str, Any],
    dag_file: str,
    outlets: Sequence[Asset] = (),
    pre_execute: Callable[[Any], None] | None = None,
) -> RayOperator:
    """A task that runs a job script with the site's Milvus and collections, in the pool ``ray``, with retries.

    :param script: file name in ``ray_jobs/``; templated.
    :param arguments: the script's other flags; templated.
    :param dag_file: ``__file__`` of the Dag; ``ray_jobs`` is beside its folder, or where ``ingest_jobs_dir`` says.
    :param pre_execute: called with the task's context before it runs.
    """
    jobs = Path(dag_file).resolve().parent.parent / "ray_jobs"
    return RayOperator(
        task_id=task_id,
        entrypoint=f"python {script}",
        arguments={
            "milvus-uri": "{{ required(var.value.get('ingest_milvus_uri', ''), NO_MILVUS) }}",
            "collection": "{{ var.value.get('ingest_collection_prefix', '') }}",
            **arguments,
        },
        working_dir=f"{{{{ var.value.get('ingest_jobs_dir', {str(jobs)!r}) }}}}",
        pool="ray",
        retries=3,
        retry_delay=timedelta(minutes=1),
        retry_exponential_backoff=True,
        max_retry_delay=timedelta(minutes=30),
        outlets=list(outlets),
        pre_execute=pre_execute,
    )
