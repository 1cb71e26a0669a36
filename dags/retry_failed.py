"""Process again the objects under a prefix that failed before: for whoever has mended the cause."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG, Asset, Param

from airflow_ray.ingest import EMBEDDING_MODEL, MACROS, run_script

DOC = """
### Process failed objects again

By hand only. Takes the objects under `source` that the ledger (collection `sources`) has as `failed`, also those that
the daily runs have given up: bad files after their first try, others after the third. Their tries start anew. Nothing
else is processed and nothing is removed.

* **Which reasons are there?** Trigger with *dry run*: the log counts the failures by reason. So does the report of
  every run (`failure_counts`).
* **reason** is a type of failure (`Encrypted`) or a stage and a type (`parse/Encrypted`); empty takes all.
* **Model and chunking** must be those that the prefix was ingested with, or the objects are done with others than their
  neighbours until the next ordinary run.
* **A run failed.** As in `ingest_pdfs`: one sentence at the end of the task's log. Exit code 3 means that too many
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
        "pipeline": Param("pdfs", type="string", enum=["pdfs"], description="Whose objects."),
        "reason": Param(
            None,
            type=["null", "string"],
            pattern=REASON,
            description="Such as Encrypted or parse/Encrypted; empty: any reason.",
        ),
        "dry_run": Param(False, type="boolean", description="Only print what would be done."),
        "embedding_model": Param(
            None,
            type=["null", "string"],
            description="As in ingest_pdfs; default: Variable ingest_embedding_model.",
        ),
        "chunk_tokens": Param(None, type=["null", "integer"], minimum=16, description="As in ingest_pdfs."),
        "chunk_overlap": Param(None, type=["null", "integer"], minimum=0, description="As in ingest_pdfs."),
    },
):
    run_script(
        "retry",
        "ingest_{{ params.pipeline }}.py",
        {
            "source": "{{ params.source }}",
            "only-failed": "{{ params.reason or True }}",
            "embedding-model": EMBEDDING_MODEL,
            "chunk-tokens": "{{ params.chunk_tokens }}",
            "chunk-overlap": "{{ params.chunk_overlap }}",
            "dry-run": "{{ params.dry_run }}",
        },
        __file__,
        outlets=[Asset("documents")],
    )
