"""Once a week, ingest everything under the root, so that the collections equal the store afterwards."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG

from ray_ingest.factory import sweep_task
from ray_ingest.forms import sweep_form
from ray_ingest.job_scripts import COLLECTIONS
from ray_ingest.templates import MACROS

DOC = """
### Make the collections equal to the store

The daily Dags look at a few days. Each run of this Dag compares everything under `<ingest_source_root>/pdfs/`,
`images/` and `videos/` with the ledger, a task for each pipeline. It ingests objects that came or changed later, and
removes the rows of those that left. Unchanged objects cost their listing. Other runs over the same pipeline wait until
its task is done.

* **Look first:** trigger with *dry run*. The log names every difference, and the report counts them.
* **Exit code 3, objects "are missing in the store".** Nothing was removed. Compare the prefix with the log's count; if
  the objects were meant to go, trigger this Dag with *max deleted fraction* 1.
* **Models and chunking** are those of the Variables. A prefix that was ingested by hand with other settings is
  processed again with these.
"""

with DAG(
    dag_id="sweep",
    schedule="0 12 * * 6",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=DOC,
    tags=["ingest", "ray", "milvus"],
    user_defined_macros=MACROS,
    params=sweep_form(),
):
    for pipeline in COLLECTIONS:
        sweep_task(pipeline, __file__)
