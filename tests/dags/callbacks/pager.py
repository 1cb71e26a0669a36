"""What a site may name as `ingest_deadline_callback`: each call adds a line to the file that TEST_PAGES names."""

import asyncio
import os
from pathlib import Path
from typing import Any


def page(context: dict[str, Any]) -> None:
    """A function, which Airflow calls in a worker."""
    run, deadline = context["dag_run"], context["deadline"]
    with Path(os.environ["TEST_PAGES"]).open("a") as file:
        file.write(f"{run['dag_id']} {run['run_type']} {str(deadline['deadline_time'])[:10]}\n")


async def page_later(context: dict[str, Any]) -> None:
    """A coroutine, which Airflow runs in the triggerer."""
    await asyncio.to_thread(page, context)
