"""Ingest a day's images: one partition is one day's prefix in the object store, one run is one Ray job."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG, CronPartitionTimetable

from ray_ingest.documents import day_document
from ray_ingest.factory import ingest_day
from ray_ingest.forms import day_form
from ray_ingest.templates import MACROS

DOC = """
### Ingest images into Milvus

Each run makes the images of one prefix searchable, by a text or another image, in the collection `images`.
"""

with DAG(
    dag_id="ingest_images",
    schedule=CronPartitionTimetable("0 0 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=2,
    doc_md=DOC + day_document("images"),
    tags=["ingest", "ray", "milvus"],
    user_defined_macros=MACROS,
    params=day_form("images"),
):
    ingest_day("images", __file__)
