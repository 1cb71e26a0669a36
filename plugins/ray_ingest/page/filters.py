# A copy of ray_jobs/ingest/milvus/filters.py, made by tests/generate.py.
"""Filters of a search: conditions that people write, as a structure, and as expressions of Milvus.

A condition is a name, an operator and a value: `tenant=acme`, `year>=2026`. Nothing that is typed gets into an
expression as it is: a name must be one that needs no escape, an operator is one of six, and a value becomes a literal
of its type. (Milvus's own parameters of expressions are ignored by Milvus Lite, and by servers before 2.5.)

Names are those of the owner's values, and these:

- `pipeline`: `pdfs`, `images` or `videos`; `kind`: `text`, `ocr` or `caption`, of pages. They take `=` and `!=`.
- `language`: a code such as `de`; it takes `=` and `!=`, too.
- `date`: a date or a time.

Several conditions with `=` and the same name are alternatives, and all others must hold. A row without the value that a
condition names is not found, with `!=` neither. A text that looks like a number means the number, and for `=` and `!=`
the text, too. A date means its whole day.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ray_ingest.page.expressions import literal
from ray_ingest.page.typed_values import (
    DATE_OR_TIME,
    Value,
    as_text,
    in_utc,
    is_date_or_time,
    is_day,
    is_storable,
    normal_name,
    number_of,
    typed,
)

PIPELINES = {"documents": "pdfs", "images": "images", "video_segments": "videos", "video_frames": "videos"}
"""The pipeline of each collection's rows."""

CHOICES = {"pipeline": ("pdfs", "images", "videos"), "kind": ("text", "ocr", "caption")}
"""The values of names that have few."""

OPERATORS = ("!=", ">=", "<=", "=", ">", "<")

MAX_CONDITIONS = 32
MAX_ALTERNATIVES = 100
"""Values of one name and operator. A number and a text that a person may mean by it count as one."""

MAX_VALUE_BYTES = 1024

_SHORTCUTS = {"date": 'metadata["date"]', "language": 'metadata["language"]'}
_OF_CHOICE = (*CHOICES, "language")
_WRITTEN = re.compile(r"\s*([^=!<>]*?)\s*(!=|>=|<=|==|=|>|<)\s*([^=<>\s].*?)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Condition:
    """What a row's value of a name must be: one of the `values`, none of them with `!=`, or in the range of the one."""

    name: str
    operator: str
    values: tuple[Value, ...]


Filter = tuple[Condition, ...]


def written(texts: Iterable[str]) -> Filter:
    """The filter of conditions as people write them, such as `year>=2026`. Raises ValueError with a sentence."""
    conditions = []
    for text in texts:
        found = _WRITTEN.fullmatch(text)
        if not found or not found[1]:
            raise ValueError(f"{text[:80]!r} is no condition such as tenant=acme, year>=2026 or language!=de")
        operator = "=" if found[2] == "==" else found[2]
        value = _meant(found[3])
        is_exact = operator in ("=", "!=")
        values = (value, found[3]) if is_exact and not isinstance(value, str) else (value,)
        conditions.append(_checked(found[1], operator, values))
    return _joined(conditions)


def from_json(value: Any) -> Filter:
    """The filter in JSON: an object with a value for each name, a list of alternatives, or an object with operators.

    `{"tenant": "acme", "language": ["de", "en"], "year": {">=": 2026, "<": 2028}}`. Raises ValueError with a sentence.
    """
    if not isinstance(value, dict):
        raise ValueError('it is no object such as {"tenant": "acme", "year": {">=": 2026}}')
    conditions = []
    for name, wanted in value.items():
        if wanted == {}:
            raise ValueError(f"{str(name)[:80]!r} has no operator")
        for operator, values in (wanted if isinstance(wanted, dict) else {"=": wanted}).items():
            alternatives = values if isinstance(values, list) else [values]
            typed_ones = [in_utc(each) if isinstance(each, str) else each for each in alternatives]
            conditions.append(_checked(str(name), operator, tuple(typed_ones)))
    return _joined(conditions)


def as_json(conditions: Filter) -> dict[str, Any]:
    """The filter as `from_json` reads it."""
    found: dict[str, Any] = {}
    for condition in conditions:
        values = list(condition.values)
        found.setdefault(condition.name, {})[condition.operator] = values if len(values) > 1 else values[0]
    return found


def _meant(text: str) -> Value:
    """The number, the truth value or the text that a person means by a text."""
    value = typed(text)
    number = number_of(value) if isinstance(value, str) else None
    return value if number is None else number


def _alternatives(values: Iterable[Value]) -> int:
    """How many values a person has meant by these."""
    meant = (_meant(value) if isinstance(value, str) else value for value in values)
    return len({(isinstance(value, bool), value) for value in meant})


def _checked(name: str, operator: str, values: tuple[Any, ...]) -> Condition:
    normal = normal_name(name)
    if not normal:
        raise ValueError(f"{name[:80]!r} is no name of a value: those have letters, digits, '_', '-' and '.'")
    if operator not in OPERATORS:
        raise ValueError(f"{str(operator)[:80]!r} is no operator; there are {' '.join(OPERATORS)}")
    for value in values:
        if not isinstance(value, (bool, int, float, str)):
            raise ValueError(f"a value of {normal} is neither a text nor a number, true or false")
        if not isinstance(value, str) and not is_storable(value):
            raise ValueError(f"a value of {normal} is no finite number of 64 bits")
        if isinstance(value, str) and len(value.encode(errors="replace")) > MAX_VALUE_BYTES:
            raise ValueError(f"a value of {normal} has more than {MAX_VALUE_BYTES} bytes")
        if isinstance(value, str) and re.search("[\0\ud800-\udfff]", value):
            raise ValueError(f"a value of {normal} is not valid Unicode")
    values = tuple(unicodedata.normalize("NFC", value) if isinstance(value, str) else value for value in values)
    if normal == "date" and not all(isinstance(value, str) and is_date_or_time(value) for value in values):
        raise ValueError("date takes a date such as 2026-01-31, or a time such as 2026-01-31T12:00:00Z")
    if operator in ("=", "!="):
        if not values:
            raise ValueError(f"{normal} has no value")
    elif len(values) != 1 or isinstance(values[0], bool):
        raise ValueError(f"{operator} of {normal} takes one number, date or text")
    elif normal in _OF_CHOICE:
        raise ValueError(f"{normal} takes = and !=, and no {operator}")
    if normal == "language":
        values = tuple(re.split("[-_]", str(value).lower())[0] for value in values)
    if choices := CHOICES.get(normal):
        values = tuple(value for value in values if isinstance(value, str))
        if not values or any(value not in choices for value in values):
            raise ValueError(f"{normal} is any of {', '.join(choices)}")
    return Condition(normal, operator, values)


def _joined(conditions: list[Condition]) -> Filter:
    """The conditions, with one for each name and operator.

    Raises:
        ValueError: a range has two bounds on one side, or there are too many conditions or values.
    """
    found: dict[tuple[str, str], Condition] = {}
    for condition in conditions:
        key = condition.name, condition.operator
        if key in found and condition.operator not in ("=", "!="):
            raise ValueError(f"{condition.name}{condition.operator} is given twice")
        before = found[key].values if key in found else ()
        # Not by equality: 1 and true are equal.
        values = {(type(value), value): value for value in (*before, *condition.values)}
        if _alternatives(values.values()) > MAX_ALTERNATIVES:
            raise ValueError(f"{condition.name} has more than {MAX_ALTERNATIVES} values")
        found[key] = Condition(*key, tuple(values.values()))
    if len(found) > MAX_CONDITIONS:
        raise ValueError(f"there are more than {MAX_CONDITIONS} conditions")
    return tuple(found.values())


def expression(conditions: Filter, collection: str, partition_key: str = "") -> str | None:
    """The expression for the rows of a collection; empty if all of them are found, and None if none can be.

    `collection` is its name without a prefix, a key of PIPELINES, and `partition_key` the name of the value whose text
    is in its field `partition`. A condition with `!=` and without values means any value.
    """
    parts = []
    for condition in conditions:
        if condition.name == partition_key and condition.operator == "=" and not any(map(_is_day, condition.values)):
            texts = dict.fromkeys(map(as_text, condition.values))
            parts.append(" or ".join(f"partition == {literal(text)}" for text in texts))
        if condition.name == "pipeline":
            if (PIPELINES[collection] in condition.values) != (condition.operator == "="):
                return None
        elif condition.name == "kind":
            if collection != "documents":
                return None
            parts.append(_compared("kind", condition))
        else:
            path = _SHORTCUTS.get(condition.name, f'metadata["owner"]["{condition.name}"]')
            compared = _compared(path, condition)
            if condition.operator == "!=":
                compared = f"(exists {path})" + (f" and (not ({compared}))" if compared else "")
            parts.append(compared)
    return " and ".join(f"({part})" for part in parts)


def _compared(path: str, condition: Condition) -> str:
    """The comparison of a field with the condition's values; for `!=` of a path, whether it is equal to any of them."""
    if path == "kind":
        operator = "==" if condition.operator == "=" else "!="
        return (" or " if operator == "==" else " and ").join(
            f"kind {operator} {_literal(v)}" for v in condition.values
        )
    if condition.operator in ("=", "!="):
        return " or ".join(_equal(path, value) for value in condition.values)
    return _in_range(path, condition.operator, condition.values[0])


def _is_day(value: Value) -> bool:
    return isinstance(value, str) and is_day(value)


def _equal(path: str, value: Value) -> str:
    if isinstance(value, str) and is_day(value):
        return f"{path} like {_literal(f'{value}%')}"  # a range would be unknown of a number, and so would its negation
    return f"{path} == {_literal(value)}"


def _in_range(path: str, operator: str, value: Value) -> str:
    if not (isinstance(value, str) and DATE_OR_TIME.fullmatch(value)):
        return f"{path} {operator} {_literal(value)}"
    if is_day(value) and operator in (">", "<="):
        operator, value = (">=", _behind(value)) if operator == ">" else ("<", _behind(value))
    # Texts that are no dates, such as `unknown`, come behind all dates.
    return f'{path} >= "0" and {path} < ":" and {path} {operator} {_literal(value)}'


def _behind(day: str) -> str:
    """The first text behind all times of a day: these go on with a T."""
    return f"{day}U"


def _literal(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return literal(value) if isinstance(value, str) else repr(value)
