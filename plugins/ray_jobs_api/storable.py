"""Makes the output of a job safe for everything that stores it: msgpack, JSON and SQL databases.

Airflow kills more than one task over a value that it cannot store. A trigger's event travels as msgpack: an integer of
more than 64 bits or half a surrogate pair in it ends the whole triggerer. XComs are stored as JSON: the API server
refuses NaN, and Postgres refuses the character NUL.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
#: Deeper values are cut off, because Airflow walks through values by recursion.
MAX_DEPTH = 50
#: Digits of any integer that fits into 64 bits, the sign included.
_SAFE_DIGITS = 18


def storable_text(text: str) -> str:
    """The text with each character that no database takes replaced by U+FFFD. Its length stays the same."""
    return _NOT_STORABLE.sub(_REPLACEMENT, text)


def load_storable_json(text: str) -> Any:
    """As ``json.loads``, with storable values. Raises ``ValueError`` also for a value nested too deep to be parsed.

    Integers beyond 64 bits become strings of their digits; NaN and infinities become None; dictionary keys that Airflow
    keeps for itself (``__type``) lose their leading underscores.
    """
    try:
        return _storable(json.loads(text, parse_int=_integer, parse_float=_float, parse_constant=lambda name: None))
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _integer(digits: str) -> int | str:
    # int() refuses more than 4,300 digits, and is slow below that.
    return int(digits) if len(digits) <= _SAFE_DIGITS or _fits(digits) else digits


def _fits(digits: str) -> bool:
    return len(digits) <= _SAFE_DIGITS + 2 and -(2**63) <= int(digits) < 2**63


def _float(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _storable(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, dict | list) and depth >= MAX_DEPTH:
        return f"(nested deeper than {MAX_DEPTH})"
    if isinstance(value, dict):
        return {_key(name): _storable(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_storable(item, depth + 1) for item in value]
    return value


def _key(name: str) -> str:
    return storable_text(name.lstrip("_") if name.startswith("__") else name)
