"""Times in the answers of object stores, of which not all are times."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any


def timestamp(value: Any) -> datetime | None:
    """Parse a time in a response; None for one that is empty, comes twice, or has the names of another language.

    botocore uses dateutil for it, which is more than half of the work of a listing.
    """
    from botocore.utils import parse_timestamp

    with suppress(TypeError, ValueError):
        if (read := datetime.fromisoformat(value)).tzinfo is not None:
            return read
    with suppress(TypeError, ValueError, OverflowError, RuntimeError):
        found: datetime = parse_timestamp(value)
        return found
    return None
