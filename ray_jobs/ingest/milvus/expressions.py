"""Milvus filter expressions."""

from __future__ import annotations

import sys


def literal_list(values: list[str]) -> str:
    """A list of string literals for a filter expression, whatever characters are in them."""
    return "[" + ", ".join(map(literal, values)) + "]"


def literal(value: str) -> str:
    escaped = (
        value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return f'"{escaped}"'


def prefix_filter(source: str) -> str:
    """Filter expression for all sources that begin with `source`: a range, which the key's order answers directly.
    All sources begin with the empty one.

    LIKE would need its wildcards escaped, and `%` and `_` are common in keys. A local file is itself alone: unlike a
    store, a file system does not take its name for a prefix.
    """
    if source.startswith("file://") and not source.endswith("/"):
        return f"source == {literal(source)}"
    if not source:
        return 'source != ""'
    last = ord(source[-1]) + 1
    while 0xD800 <= last <= 0xDFFF:  # surrogates are no characters
        last += 1
    if last > sys.maxunicode:
        return f"source >= {literal(source)}"
    return f"source >= {literal(source)} and source < {literal(source[:-1] + chr(last))}"
