"""Say which days of a range are done, empty, failed, behind, or never ingested."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG

from ray_ingest.factory import check_task
from ray_ingest.forms import check_form
from ray_ingest.job_scripts import COLLECTIONS
from ray_ingest.templates import MACROS

DOC = """
### Which days of a range are done

Only by a manual trigger, after a long backfill for example. Each run compares the days from *first day* to *last day*
with the ledger, a task for each pipeline, and changes nothing. The log has a line for each day, with its counts and its
state, and the task's XCom has the days by state (`states`):

* **done**: all objects are ingested, at their versions in the store.
* **empty**: there are no objects, in the store or in the ledger.
* **failed**: some objects failed and are not tried again. The ledger has the reasons; see `retry_failed`.
* **behind**: some objects are new, changed, due for a retry, or missing in the store. Trigger the Dag of the pipeline
  with the day as its partition key.
* **never ingested**: none of the objects is in the ledger: no run has taken the day, or every one failed before.

The states come from the store and the ledger and not from Airflow's runs: a day that was ingested by hand, by a sweep
or by the run of a later day is done too, and one to which files came after its run is behind.

**Models and chunking** are those of the Variables. A day that was ingested with others is behind.
"""

with DAG(
    dag_id="check_days",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    max_active_runs=1,
    doc_md=DOC,
    tags=["ingest", "ray", "milvus", "on call"],
    user_defined_macros=MACROS,
    params=check_form(),
):
    for pipeline in COLLECTIONS:
        check_task(pipeline, __file__)
