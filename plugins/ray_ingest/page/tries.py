"""The tries of an object: the last one, which its entry in the ledger describes, and those before it that it has kept.

What the entry keeps, the jobs write (``ingest.ledger.tries``).
"""

from __future__ import annotations

from typing import Any

KEPT = "tries"
RELABELLED = "relabelled"

_FIELDS = ("run_id", "updated_at", "version", "attempts", "stage", "error_type", "error_message")


def take_tries(entry: dict[str, Any]) -> dict[str, Any]:
    """Take the tries out of the metadata of a ledger row.

    Returns ``tries``, the latest first, each with its fields and how it has ``ended``: ``ok``, ``failed``, or
    ``relabelled`` where a run has only given the object other metadata; and ``unknown``, the number of tries at the
    same version before them that the row has not kept.
    """
    kept = entry["metadata"].pop(KEPT, [])
    is_relabelled = entry["metadata"].pop(RELABELLED, False)
    last = {name: entry[name] for name in _FIELDS}
    tries = [{**dict.fromkeys(_FIELDS, ""), **each, "ended": _ended(each)} for each in kept]
    tries.append({**last, "ended": "relabelled" if is_relabelled else _ended(last)})
    return {"tries": tries[::-1], "unknown": max(0, (tries[0]["attempts"] or 1) - 1)}


def _ended(tried: dict[str, Any]) -> str:
    return "failed" if tried.get("error_type") else "ok"
