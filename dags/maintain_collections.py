"""Once a week, compare the collections with the ledger: remove orphaned rows, find losses, flush and compact."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG

from ray_ingest.factory import script_task
from ray_ingest.forms import switch
from ray_ingest.templates import MACROS

DOC = """
### Keep the collections in Milvus true to the ledger

Each run removes orphaned rows (their object has another version by now, or has failed permanently). It finds rows
that the ledger claims but that do not exist, and rows of objects that the ledger does not know. Then it flushes and
compacts. Ingest runs wait while the rows are compared.

* **Exit code 3: rows, or entries of the ledger, are lost.** The sentence names the first object and the common prefix;
  the report lists 100. Find out who deleted them, trigger this Dag with *mend*, and then the Dag of the pipeline with
  that prefix as `source`: it processes the marked objects again, and removes the rows of those that left the store.
* **Exit code 2, "none of pdfs in the ledger".** The ledger was dropped or emptied. Nothing was deleted.
* **Look first:** trigger with *dry run*. It does not wait for ingest runs, so rows that a run is just writing may
  appear as orphaned or lost.
"""

with DAG(
    dag_id="maintain_collections",
    schedule="0 5 * * 0",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=DOC,
    tags=["ray", "milvus", "on call"],
    user_defined_macros=MACROS,
    params={
        "dry_run": switch("Dry run", "Only print the changes that a run would make."),
        "mend": switch(
            "Mend lost rows", "Mark objects with lost rows or ledger entries, so that the next run processes them."
        ),
        "drop_old": switch("Drop old collections", "Drop the collections of models that are no longer searched."),
        "drop_staged": switch(
            "Drop incomplete migrations", "Drop migrations to another model that are not complete, as abandoned."
        ),
        "compact": switch("Compact", "Compact after the flush.", default=True),
    },
):
    script_task(
        "maintain",
        "maintain.py",
        {
            "dry-run": "{{ params.dry_run }}",
            "mend": "{{ params.mend }}",
            "drop-old": "{{ params.drop_old }}",
            "drop-staged": "{{ params.drop_staged }}",
            "no-compact": "{{ not params.compact }}",
        },
        __file__,
    )
