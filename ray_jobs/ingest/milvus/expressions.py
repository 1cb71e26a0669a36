"""Milvus filter expressions."""

from __future__ import annotations

import sys


def literal_list(values: list[str]) -> str:
    """A list of string literals for a filter expression; the values may contain any characters."""
    return "[" + ", ".join(map(literal, values)) + "]"


def literal(value: str) -> str:
    """A string literal for a filter expression; the value may contain any characters."""
    escaped = (
        value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return f'"{escaped}"'


def prefix_filter(source: str) -> str:
    """Filter expression for all objects of a source. The empty string is one of all objects.

    The path of a local file matches that file only: unlike an object store, a file system does not treat a file's name
    as a prefix.
    """
    if source.startswith("file://") and not source.endswith("/"):
        return f"source == {literal(source)}"
    return beginning(source)


def beginning(source: str) -> str:
    """Filter expression for all sources that begin with `source`: a range, which the order of the keys makes cheap.

    LIKE would need escaped wildcards, and `%` and `_` are common in keys.
    """
    if not source:
        return 'source != ""'
    last = ord(source[-1]) + 1
    while 0xD800 <= last <= 0xDFFF:  # surrogates are not characters
        last += 1
    if last > sys.maxunicode:
        return f"source >= {literal(source)}"
    return f"source >= {literal(source)} and source < {literal(source[:-1] + chr(last))}"
