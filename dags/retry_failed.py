"""Process the failed objects under a prefix again, once somebody has fixed the cause."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG, Param

from ray_ingest.assets import collection_asset
from ray_ingest.factory import script_task
from ray_ingest.forms import model_form, switch
from ray_ingest.job_scripts import COLLECTIONS
from ray_ingest.templates import MACROS, model_flags

DOC = """
### Process failed objects again

Only by a manual trigger. A run processes the objects under `source` that the ledger (collection `sources`) has as
`failed`. This includes those that the daily runs no longer retry: bad files after their first try, others after the
third. Their tries start anew. Nothing else is processed and nothing is removed. Of the three tasks, the one of the
chosen *pipeline* runs.

* **Which reasons are there?** Trigger with *dry run*: the log counts the failures by reason. So does the report of
  every run (`failure_counts`).
* **reason** is a type of failure (`Encrypted`) or a stage and a type (`parse/Encrypted`); empty takes all.
* **Models and chunking** must be those with which the prefix was ingested. Otherwise these objects differ from their
  neighbours until the next ordinary run.
* **A run failed.** As in the daily Dags: one sentence at the end of the task's log. Exit code 3 means that too many
  objects failed again; the ledger has the reasons.
"""

# RayOperator omits a flag whose value is None or False, which would make this an ordinary run.
REASON = "^([a-z]+/)?(?!None$|False$)[A-Za-z]+$"

with DAG(
    dag_id="retry_failed",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    max_active_runs=1,
    doc_md=DOC,
    tags=["ingest", "ray", "milvus", "on call"],
    user_defined_macros=MACROS,
    params={
        "source": Param(
            title="Source",
            type="string",
            minLength=1,
            description="Prefix or folder to look under, such as s3://bucket/any/prefix/.",
        ),
        "pipeline": Param(
            "pdfs",
            title="Pipeline",
            type="string",
            enum=list(COLLECTIONS),
            description="The pipeline of the objects.",
        ),
        "reason": Param(
            None,
            title="Reason of the failures",
            type=["null", "string"],
            pattern=REASON,
            description="A reason such as Encrypted or parse/Encrypted; empty: any reason.",
        ),
        "dry_run": switch("Dry run", "Only print the changes that a run would make."),
        **model_form(*COLLECTIONS),
    },
):
    for pipeline, collections in COLLECTIONS.items():
        script_task(
            f"retry_{pipeline}",
            f"ingest_{pipeline}.py",
            {
                "source": "{{ params.source }}",
                "only-failed": "{{ params.reason or True }}",
                **model_flags(pipeline),
                "dry-run": "{{ params.dry_run }}",
            },
            __file__,
            outlets=[collection_asset(name) for name in collections],
            only_for=pipeline,
        )
