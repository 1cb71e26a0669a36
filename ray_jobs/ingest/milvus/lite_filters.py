"""Conditions that Milvus Lite does not evaluate as servers do: like Python, it takes true for 1, and false for 0.

No expression tells them apart there. So Lite is asked for more rows, and their values are compared here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ingest.common.owner_values import OWNER
from ingest.milvus.filters import Condition, Filter


def confused_by_lite(conditions: Filter) -> Filter:
    """The conditions that Lite confuses: `v=true` finds 1, `v!=1` does not find true, and `v<=5` finds true."""
    return tuple(
        condition
        for condition in conditions
        if (
            any(_is_confused(value) for value in condition.values)
            if condition.operator in ("=", "!=")
            else not isinstance(condition.values[0], str)
        )
    )


def for_lite(conditions: Filter) -> Filter:
    """The conditions without what would keep Lite from finding a row that fulfils the others."""
    return tuple(
        replace(condition, values=tuple(value for value in condition.values if not _is_confused(value)))
        if condition.operator == "!="
        else condition
        for condition in conditions
    )


def fulfils(metadata: Mapping[str, Any], conditions: Filter) -> bool:
    """Whether a row that Lite has found fulfils the conditions of `confused_by_lite`; `metadata` is that of the row."""
    owner = metadata.get(OWNER, {})
    return all(_holds(owner.get(condition.name), condition) for condition in conditions)


def _is_confused(value: Any) -> bool:
    return value in (0, 1)  # and so are false and true


def _holds(value: Any, condition: Condition) -> bool:
    is_one = any(value == other and isinstance(value, bool) is isinstance(other, bool) for other in condition.values)
    match condition.operator:
        case "=":
            return is_one or isinstance(value, str)  # Lite compares texts rightly
        case "!=":
            return not is_one
    return not isinstance(value, bool)
