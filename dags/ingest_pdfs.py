"""Ingest a day's PDFs: one partition is one day's prefix in the object store, one run is one Ray job."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG

from ray_ingest.deadlines import daily_deadline
from ray_ingest.documents import daily_document
from ray_ingest.factory import daily_task
from ray_ingest.forms import daily_form
from ray_ingest.schedule import daily_schedule
from ray_ingest.templates import MACROS

DOC = """
### Ingest PDFs into Milvus

Each run makes the PDFs of one prefix searchable in the collection `documents`.
"""

with DAG(
    dag_id="ingest_pdfs",
    schedule=daily_schedule("pdfs"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=2,
    deadline=daily_deadline(),
    doc_md=DOC + daily_document("pdfs"),
    tags=["ingest", "ray", "milvus"],
    user_defined_macros=MACROS,
    params=daily_form("pdfs"),
):
    daily_task("pdfs", __file__)
