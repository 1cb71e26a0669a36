"""Ingest a day's videos and sound: one partition is one day's prefix in the object store, one run is one Ray job."""

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
### Ingest videos and recordings into Milvus

Each run makes the videos and recordings of one prefix searchable: their speech in the collection `video_segments`,
their key frames in `video_frames`.
"""

with DAG(
    dag_id="ingest_videos",
    schedule=daily_schedule("videos"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=2,
    deadline=daily_deadline(),
    doc_md=DOC + daily_document("videos"),
    tags=["ingest", "ray", "milvus"],
    user_defined_macros=MACROS,
    params=daily_form("videos"),
):
    daily_task("videos", __file__)
