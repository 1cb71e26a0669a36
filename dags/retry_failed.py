"""Process again the objects under a prefix that failed before: for whoever has mended the cause."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG, Asset, Param

from ray_ingest.factory import run_script, skip_unless
from ray_ingest.forms import model_form
from ray_ingest.job_scripts import OUTLETS
from ray_ingest.templates import MACROS, model_flags

DOC = """
### Process failed objects again

By hand only. Takes the objects under `source` that the ledger (collection `sources`) has as `failed`, also those that
the daily runs have given up: bad files after their first try, others after the third. Their tries start anew. Nothing
else is processed and nothing is removed. Of the three tasks, the one of the chosen *pipeline* runs.

* **Which reasons are there?** Trigger with *dry run*: the log counts the failures by reason. So does the report of
  every run (`failure_counts`).
* **reason** is a type of failure (`Encrypted`) or a stage and a type (`parse/Encrypted`); empty takes all.
* **Models and chunking** must be those that the prefix was ingested with, or the objects are done with others than
  their neighbours until the next ordinary run.
* **A run failed.** As in the daily Dags: one sentence at the end of the task's log. Exit code 3 means that too many
  failed again; the ledger says why.
"""

# RayOperator leaves a flag out whose value is None or False, and this run would then be an ordinary one.
REASON = "^([a-z]+/)?(?!None$|False$)[A-Za-z]+$"

with DAG(
    dag_id="retry_failed",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    max_active_runs=1,
    doc_md=DOC,
    tags=["ingest", "ray", "milvus", "on call"],
    user_defined_macros=MACROS,
    params={
        "source": Param(
            type="string", minLength=1, description="Prefix or folder to look under, such as s3://bucket/any/prefix/."
        ),
        "pipeline": Param("pdfs", type="string", enum=list(OUTLETS), description="Whose objects."),
        "reason": Param(
            None,
            type=["null", "string"],
            pattern=REASON,
            description="Such as Encrypted or parse/Encrypted; empty: any reason.",
        ),
        "dry_run": Param(False, type="boolean", description="Only print what would be done."),
        **model_form(*OUTLETS),
    },
):
    for pipeline, collections in OUTLETS.items():
        run_script(
            f"retry_{pipeline}",
            f"ingest_{pipeline}.py",
            {
                "source": "{{ params.source }}",
                "only-failed": "{{ params.reason or True }}",
                **model_flags(pipeline),
                "dry-run": "{{ params.dry_run }}",
            },
            __file__,
            outlets=[Asset(name) for name in collections],
            pre_execute=skip_unless(pipeline),
        )
