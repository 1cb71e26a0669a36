"""Ingest a day's PDFs: one partition is one day's prefix in the object store, one run is one Ray job."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG, Asset, CronPartitionTimetable, Param

from airflow_ray.ingest import EMBEDDING_MODEL, MACROS, run_script

NO_PARTITION = (
    "This run has no partition and no source: give a partition key such as 2026-01-31, "
    "or the param 'source' with a prefix such as s3://bucket/pdfs/2026-01-31/."
)
NO_ROOT = "Set the Airflow Variable ingest_source_root (such as s3://bucket), or give the param 'source'."

SOURCE = (
    "{{ params.source or (required(partition_key, NO_PARTITION) and "
    "required(var.value.get('ingest_source_root', ''), NO_ROOT).rstrip('/') ~ '/pdfs/' ~ partition_key ~ '/') }}"
)

DOC = """
### Ingest PDFs into Milvus

Each run makes the PDFs of one prefix searchable in the collection `documents`. Scheduled at 00:00 UTC for the day that
has just ended: partition `2026-01-31` reads `<ingest_source_root>/pdfs/2026-01-31/`.

* **A run failed.** The last lines of the task's log hold one sentence with the reason and what to do. Exit code 4 (a
  store was down) and failures of Ray are retried; 2 (configuration) and 3 (too many bad files) are not.
* **Files failed, and the cause is mended:** trigger the Dag `retry_failed` with their prefix.
* **Run a day again:** clear its task. Unchanged files are skipped, so it costs little; nothing is doubled.
* **Run past days:** `airflow backfill create --dag-id ingest_pdfs --from-date 2026-01-01 --to-date 2026-01-31`
* **Run any prefix:** trigger with the param `source`.
* **Stop it:** mark the task failed. Its Ray job is stopped; what it wrote is completed by the next run.
* **Look inside:** the button *Ray job* of the task; the report is the task's XCom and the `extra` of the asset event.

Site settings are Airflow Variables: `ingest_source_root`, `ingest_milvus_uri`, `ingest_embedding_model`,
`ingest_collection_prefix`, `ingest_jobs_dir`. The connection `ray_default` names the cluster. Credentials of the object
store and of Milvus belong into the environment of the Ray nodes, not here. The pool `ray` bounds the jobs at a time:
`airflow pools set ray 4 "Ray jobs" --include-deferred`
"""


with DAG(
    dag_id="ingest_pdfs",
    schedule=CronPartitionTimetable("0 0 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=2,
    doc_md=DOC,
    tags=["ingest", "ray", "milvus"],
    user_defined_macros={**MACROS, "NO_PARTITION": NO_PARTITION, "NO_ROOT": NO_ROOT},
    params={
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
        "embedding_model": Param(
            None,
            type=["null", "string"],
            description="A sentence-transformers model or a local path; default: Variable ingest_embedding_model.",
        ),
        "chunk_tokens": Param(
            None, type=["null", "integer"], minimum=16, description="Size of a chunk in tokens of the model."
        ),
        "chunk_overlap": Param(
            None, type=["null", "integer"], minimum=0, description="Tokens that neighbouring chunks share."
        ),
    },
):
    run_script(
        "ingest",
        "ingest_pdfs.py",
        {
            "source": SOURCE,
            "embedding-model": EMBEDDING_MODEL,
            "chunk-tokens": "{{ params.chunk_tokens }}",
            "chunk-overlap": "{{ params.chunk_overlap }}",
            "max-failed-fraction": "{{ params.max_failed_fraction }}",
            "limit": "{{ params.limit }}",
            "full-refresh": "{{ params.full_refresh }}",
            "keep-missing": "{{ params.keep_missing }}",
            "migrate": "{{ params.migrate }}",
            "dry-run": "{{ params.dry_run }}",
        },
        __file__,
        outlets=[Asset("documents")],
    )
