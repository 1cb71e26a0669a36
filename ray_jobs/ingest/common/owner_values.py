"""What the owner of an object says about it: names and values, typed and bounded, from wherever they come."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from enum import StrEnum
from typing import Any
from urllib.parse import unquote

from ingest.common.text import NOT_UTF8, one_line
from ingest.common.typed_values import (
    Value,
    in_utc,
    is_date_or_time,
    is_day,
    is_storable,
    iso_time,
    normal_name,
    typed,
)

OWNER = "owner"
"""Key in the `metadata` of rows and of the ledger: the values, by their names."""

DATE = "date"
"""Key in the `metadata` of rows: the owner's value of that name if it is a date or a time, or else the day that a
folder of the object's path names, or else the time at which it was written to the store."""

LANGUAGE = "language"
"""Key in the `metadata` of rows: the code of the owner's value of that name, or else that of the detected language."""

NOTE = "owner_note"
"""Key in the ledger's `metadata`: a sentence about values that are left out."""

STORED = "stored"
"""Key in the ledger's `metadata`: when the object was written to the store, in whole seconds since 1970; 0 where the
store does not say."""

SIDECAR = "sidecar"
"""Key in the ledger's `metadata`: the version of the object's sidecar, if it has one."""

MAX_VALUES = 64
MAX_VALUE_BYTES = 1024
MAX_BYTES = 8192
"""Bytes of all names and values of an object together: every one of its rows has them, in a field of 65,536 bytes."""

NUMBER_BYTES = 24
"""The longest number, or truth value, as JSON."""

MAX_SIDECAR_BYTES = 65_536

SIDECAR_SUFFIX = ".json"
"""Follows the whole name of the object."""

_PART = re.compile("([^/=]+)=([^/]*)")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"

SHOWN = 3
"""Names that a note mentions."""


class Origin(StrEnum):
    """Where values come from, in the order of precedence.

    Rights are given by prefix: whoever may write under `tenant=acme/` cannot make an object that of another tenant.
    """

    PATH = "path"
    SIDECAR = "sidecar"
    OBJECT = "object"
    TAGS = "tags"


DEFAULT_ORIGINS = frozenset(Origin) - {Origin.TAGS}


def row_metadata(source: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What all rows of an object have in their metadata.

    Args:
        metadata: that of the object's entry in the ledger.
    """
    owner = metadata.get(OWNER, {})
    found: dict[str, Any] = {OWNER: owner} if owner else {}
    declared, stored = owner.get(DATE), metadata.get(STORED)
    if isinstance(declared, str) and is_date_or_time(declared):
        found[DATE] = declared
    elif day := next((part for part in source.split("/")[:-1] if is_day(part)), ""):
        found[DATE] = day
    elif stored:
        found[DATE] = iso_time(datetime.fromtimestamp(stored, UTC))
    language = owner.get(LANGUAGE)
    if language := language if isinstance(language, str) else metadata.get(LANGUAGE):
        found[LANGUAGE] = re.split("[-_]", str(language).lower())[0]
    return found


@dataclass(slots=True)
class OwnerValues:
    """The values of an object. Of several with the same name, the one that is added first counts.

    Attributes:
        values: by name.
        problems: why something is left out, by what it is.
    """

    values: dict[str, Value] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    _named: set[str] = field(default_factory=set)
    _bytes: int = 0

    def add(self, found: Mapping[Any, Any]) -> None:
        """Add values; those that cannot be stored or searched are left out, and None says that there is none.

        No value of that name that is added later takes the place of these, either.
        """
        for name, value in found.items():
            normal = normal_name(name)
            if normal in self._named:
                continue
            if normal:
                self._named.add(normal)
            if value is None:
                continue
            if isinstance(value, str):
                value = unicodedata.normalize("NFC", value)  # as conditions are
            own = len(value.encode(errors="surrogatepass")) if isinstance(value, str) else NUMBER_BYTES
            size = len(normal.encode()) + own
            if problem := _problem(normal, value) or self._no_room(size):
                self.problems[one_line(str(name), 64)] = problem
            else:
                self.values[normal] = value
                self._bytes += size

    def _no_room(self, size: int) -> str:
        if len(self.values) >= MAX_VALUES:
            return f"there are more than {MAX_VALUES} values"
        return f"all values together have more than {MAX_BYTES} bytes" if self._bytes + size > MAX_BYTES else ""

    def as_metadata(self) -> dict[str, Any]:
        """The keys OWNER and NOTE of the object's metadata, as far as there is something to say."""
        found: dict[str, Any] = {OWNER: self.values} if self.values else {}
        if self.problems:
            shown = [f"{name} ({problem})" for name, problem in list(self.problems.items())[:SHOWN]]
            more = len(self.problems) - len(shown)
            found[NOTE] = f"of its metadata, not used: {', '.join(shown)}" + (f" and {more} more" if more else "")
        return found


def _problem(name: str, value: Any) -> str:
    if not name:
        return "its name has other characters than letters, digits, '_', '-' and '.', or more than 64"
    if isinstance(value, str):
        if NOT_UTF8.search(value) or "\0" in value:
            return "it is not valid Unicode"
        return f"it has more than {MAX_VALUE_BYTES} bytes" if len(value.encode()) > MAX_VALUE_BYTES else ""
    if isinstance(value, (bool, int, float)):
        return "" if is_storable(value) else "it is no finite number of 64 bits"
    return "it is a list or an object, and no single value"


def from_path(source: str) -> dict[str, Value | None]:
    """The parts `name=value` of an object's path, the outermost of each name: folders as Hive and Spark name them.

    None stands for a folder that says that there is no value, such as `tenant=` or one of Hive's default partition.
    """
    found: dict[str, Value | None] = {}
    for folder in source.partition("://")[2].split("/")[1:-1]:
        if part := _PART.fullmatch(folder):
            value = None if part[2] in ("", _NO_VALUE) else typed(unquote(part[2]))
            found.setdefault(normal_name(unquote(part[1])) or part[1], value)
    return found


def from_headers(headers: Mapping[str, str]) -> dict[str, Value]:
    """S3 user metadata. Values in other characters than ASCII come as S3 sends them (RFC 2047), or as plain UTF-8."""
    return {name: typed(_decoded(value)) for name, value in headers.items()}


def _decoded(value: str) -> str:
    try:
        return value.encode("latin-1").decode() if not value.isascii() else str(make_header(decode_header(value)))
    except (UnicodeError, LookupError, HeaderParseError, ValueError):
        return value


def from_tags(tags: Iterable[Mapping[str, str]]) -> dict[str, Value]:
    """The tags of an object, as S3 lists them."""
    return {tag["Key"]: typed(tag["Value"]) for tag in tags}


def from_sidecar(content: bytes) -> dict[str, Any]:
    """The values in a sidecar, without those that are null.

    Raises:
        ValueError: it holds none; the text is the end of a sentence about it.
    """
    try:
        found = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("is not a JSON object")
    return {
        name: in_utc(value) if isinstance(value, str) else value for name, value in found.items() if value is not None
    }
