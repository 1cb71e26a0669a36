"""The partitions of a month as the ledger knows them: how many objects of each day are done and how many failed."""

from __future__ import annotations

import asyncio
import calendar
from datetime import date, timedelta
from typing import Any

from ray_ingest.page.ledger import SOURCES, Objects
from ray_ingest.page.milvus_client import MilvusClient


async def days_of_month(client: MilvusClient, pipeline: str, year: int, month: int) -> dict[str, Any]:
    """For each day its prefix and its numbers of objects; without days where the site has no root.

    A day that has no objects may be one without files, or one that no run has taken: Airflow knows its runs.
    """
    target = await client.target()
    if not target.root:
        return {"root": "", "days": []}
    ledger, folder = target.named(SOURCES), f"{target.root}/{pipeline}/"
    first = date(year, month, 1)
    dates = [first + timedelta(days=number) for number in range(calendar.monthrange(year, month)[1])]
    whole = f"{folder}{first.isoformat()[:-2]}"  # one look for the many months without any object
    known = await client.count(ledger, Objects(pipeline=pipeline, prefix=whole).condition)

    async def of_day(day: date) -> dict[str, Any]:
        prefix = f"{folder}{day.isoformat()}/"
        done, failed = (
            await asyncio.gather(
                *(
                    client.count(ledger, Objects(pipeline=pipeline, status=status, prefix=prefix).condition)
                    for status in ("ok", "failed")
                )
            )
            if known
            else (0, 0)
        )
        return {"day": day.isoformat(), "prefix": prefix, "done": done, "failed": failed}

    return {"root": folder, "days": await asyncio.gather(*map(of_day, dates))}
