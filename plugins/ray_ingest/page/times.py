"""The first and the last time at which objects were written, found by halving: Milvus has no minimum of a field.

Each step asks for a few rows of a range of times. A range without rows costs Milvus a look at one column of numbers.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from ray_ingest.page.expressions import both
from ray_ingest.page.milvus_client import MilvusClient

PRECISION = 60_000
"""Milliseconds by which an answer may be wrong."""

_HOUR = 3_600_000
_GROWTH = 4
_SAMPLE = 100
"""Rows of a step: the best of them spares steps where the rows are not in the order of their times."""

_Beyond = Callable[[int], Awaitable[int | None]]
"""Takes a time, and gives the farthest one that a few rows beyond it have; None without such rows."""


async def latest(client: MilvusClient, ledger: str, condition: str) -> int | None:
    """When the last of these objects was written, in milliseconds since 1970, to the minute; None without objects."""

    async def beyond(moment: int) -> int | None:
        rows = await client.rows(ledger, both(condition, f"updated_at > {moment}"), ["updated_at"], _SAMPLE)
        return max((int(row["updated_at"]) for row in rows), default=None)

    # Mostly, it was not long ago: the last hour, the last four hours, and so on.
    now, back, known = int(time.time() * 1000), _HOUR, None
    while known is None:
        known = await beyond(max(now - back, 0))
        if known is None and back >= now:
            return None
        back *= _GROWTH
    back //= _GROWTH
    empty = now - back // _GROWTH if back > _HOUR else None
    return await _edge(beyond, known, empty, 1)


async def earliest(client: MilvusClient, ledger: str, condition: str) -> int | None:
    """When the first of these objects was written, in milliseconds since 1970, to the minute; None without objects."""

    async def beyond(moment: int) -> int | None:
        rows = await client.rows(ledger, both(condition, f"updated_at < {moment}"), ["updated_at"], _SAMPLE)
        return min((int(row["updated_at"]) for row in rows), default=None)

    known = await beyond(1 << 62)
    return None if known is None else await _edge(beyond, known, None, -1)


async def _edge(beyond: _Beyond, known: int, empty: int | None, direction: int) -> int:
    """The farthest time of the rows in a direction, 1 or -1.

    :param known: a time that a row has.
    :param empty: a time beyond which there is no row, if one is known.
    """
    step = _HOUR
    while empty is None or abs(empty - known) > PRECISION:
        if empty is None:
            middle, step = known + direction * step, step * _GROWTH
        else:
            middle = (known + empty) // 2
        found = await beyond(middle)
        if found is None:
            empty = middle
        else:
            known = found
    return known
