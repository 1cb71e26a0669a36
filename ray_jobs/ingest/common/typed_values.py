"""Values that people write down about things: numbers, truth values, texts, dates; and their names.

A text that is exactly what a number or a truth value looks like in JSON is one: `2026` and `1.5` are numbers, `007` and
`1.10` stay texts. A date is a text in the order of ISO 8601, and a time is in UTC, so that ranges of them are ranges of
texts.
"""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import UTC, date, datetime

Value = bool | int | float | str

NAME = re.compile(r"\w[\w.-]{0,63}")
"""Names that a filter expression can hold as they are."""

DATE_OR_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\dZ)?", re.ASCII)
"""A date, or a time as `in_utc` gives it."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII)

_MAX_INTEGER = 2**63
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][+-]?\d{1,4})?", re.ASCII)


def typed(text: str) -> Value:
    """The value that a text stands for, from a place that has only texts."""
    if text in ("true", "false"):
        return text == "true"
    for parse in (int, float):
        try:
            value = parse(text)
        except ValueError:
            continue
        if str(value) == text and is_storable(value):
            return value
    return in_utc(text)


def as_text(value: Value) -> str:
    """A value as a text, equal values of a type as equal texts."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def number_of(text: str) -> int | float | None:
    """The number that a person means by a text such as `1.50` or `+1`; None if it is none that Milvus stores."""
    if not _NUMBER.fullmatch(text):
        return None
    number = int(text) if _INTEGER.fullmatch(text) else float(text)
    return number if is_storable(number) else None


def is_date_or_time(text: str) -> bool:
    """Whether a text is a date that exists, or a time on it as `in_utc` gives it."""
    return DATE_OR_TIME.fullmatch(text) is not None and is_day(text[: len("2026-01-31")])


def in_utc(text: str) -> str:
    """The text; a time of ISO 8601 in UTC and to the second, as which it is read if it names no time zone."""
    if not _TIME.fullmatch(text):
        return text
    try:
        time = datetime.fromisoformat(text)
        return iso_time((time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        return text


def iso_time(time: datetime) -> str:
    """A time in UTC as ISO 8601, to the second."""
    return f"{time.replace(microsecond=0, tzinfo=None).isoformat()}Z"


def is_day(text: str) -> bool:
    """Whether a text is a date such as 2026-01-31."""
    try:
        return len(text) == len("2026-01-31") and date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def is_storable(value: float) -> bool:
    """Whether Milvus stores a number as it is."""
    return math.isfinite(value) if isinstance(value, float) else -_MAX_INTEGER <= value < _MAX_INTEGER


def normal_name(name: object) -> str:
    """A name as rows have it: composed and in lower case, as S3 keeps names; empty if it cannot be one."""
    normal = unicodedata.normalize("NFC", str(name).strip()).lower()
    return normal if NAME.fullmatch(normal) else ""
