"""Milvus filter expressions about the ledger: every value that a user typed becomes a string literal.

The jobs have their own (``ingest.milvus.expressions``), which the Airflow side does not import; a test compares them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def literal(value: str) -> str:
    """A string literal; the value may contain any characters."""
    return '"' + "".join(_ESCAPES.get(character, character) for character in value) + '"'


def literals(values: Iterable[str]) -> str:
    """A list of string literals."""
    return "[" + ", ".join(map(literal, values)) + "]"


def under(prefix: str, key: str = "source") -> str:
    """All values of ``key`` that begin with ``prefix``: a range, which the order of the keys makes cheap.

    The empty string is a prefix of all of them.
    """
    if not prefix:
        return f'{key} != ""'
    last = ord(prefix[-1]) + 1
    while 0xD800 <= last <= 0xDFFF:  # surrogates are not characters
        last += 1
    if last > sys.maxunicode:
        return f"{key} >= {literal(prefix)}"
    return f"{key} >= {literal(prefix)} and {key} < {literal(prefix[:-1] + chr(last))}"


def containing(text: str, key: str = "source") -> str:
    """At least all values of ``key`` that contain ``text``.

    Milvus versions differ in how ``LIKE`` takes an escape, so that its special characters match any character here, and
    the caller looks at what comes back.
    """
    pattern = re.sub(r"[\\%]", "_", text)
    return f"{key} like {literal(f'%{pattern}%')}"


def both(*conditions: str) -> str:
    """All of the conditions that are not empty."""
    return " and ".join(f"({condition})" for condition in conditions if condition)
