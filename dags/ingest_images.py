"""Ingest a day's images: one partition is one day's prefix in the object store, one run is one Ray job."""

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
### Ingest images into Milvus

Each run makes the images of one prefix searchable, by text or by another image, in the collection `images`.
"""

with DAG(
    dag_id="ingest_images",
    schedule=daily_schedule("images"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=2,
    deadline=daily_deadline(),
    doc_md=DOC + daily_document("images"),
    tags=["ingest", "ray", "milvus"],
    user_defined_macros=MACROS,
    params=daily_form("images"),
):
    daily_task("images", __file__)
