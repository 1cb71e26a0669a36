"""Read a test set: questions, each with the places that answer it, from CSV or JSON lines.

A row has `question`, `source`, and `page` or `second`; `language` and `kind` are optional. Rows with the same question
and kind are one question, which several places answer. Whatever is wrong ends in a sentence that names the line.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.common.errors import ConfigurationError
from ingest.common.text import as_typed, one_line
from ingest.image.decoder import SUFFIXES as IMAGE_SUFFIXES
from ingest.pipelines.pdfs import SUFFIXES as PDF_SUFFIXES
from ingest.pipelines.videos import SUFFIXES as VIDEO_SUFFIXES
from ingest.search.query import HitKind

COLUMNS = ("question", "source", "page", "second", "language", "kind")
_DELIMITERS = (",", ";", "\t")
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d{1,2}(?:\.\d+)?)")

_KINDS_BY_SUFFIX = {
    **dict.fromkeys(PDF_SUFFIXES, HitKind.PAGES),
    **dict.fromkeys(IMAGE_SUFFIXES, HitKind.IMAGES),
    **dict.fromkeys(VIDEO_SUFFIXES, HitKind.SPOKEN),
}
_TIMED = (HitKind.SPOKEN, HitKind.FRAMES)


@dataclass(frozen=True, slots=True)
class Place:
    """A place that answers a question.

    Attributes:
        source: the URI of an object, or the end of it from behind a slash on.
        page: counted from 1; None for any page.
        second: of a recording; None for any.
        line: where the file names it.
    """

    source: str
    page: int | None
    second: float | None
    line: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a test set; `language` is as the file names it, empty where it names none."""

    text: str
    kind: HitKind
    language: str
    places: tuple[Place, ...]

    @property
    def line(self) -> int:
        """The line of the file at which it stands first."""
        return self.places[0].line


class _BadRowError(Exception):
    """A row is wrong.

    Args:
        problem: the rest of a sentence that names the line.
        line: the line; 0 for that of the row that was read last.
    """

    def __init__(self, problem: str, line: int = 0) -> None:
        super().__init__(problem)
        self.line = line


def read_questions(path: str) -> list[Question]:
    """The questions of a file, in its order.

    Raises:
        ConfigurationError: the file cannot be read, or a line of it is wrong.
    """
    text = _text(path)
    rows = _json_rows(text) if text.lstrip().startswith(("{", "[")) else _csv_rows(text)
    found: dict[tuple[str, HitKind], Question] = {}
    line = 1
    try:
        for line, row in rows:
            one = _question(line, row)
            known = found.setdefault((one.text, one.kind), one)
            if known is not one:
                found[one.text, one.kind] = _joined(known, one)
    except _BadRowError as error:
        raise ConfigurationError(f"{named(path, error.line or line)}: {error}") from None
    if not found:
        raise ConfigurationError(f"--questions {path!r} has no question; give each a row with {_or(COLUMNS[:4])}")
    return list(found.values())


def named(path: str, line: int) -> str:
    """A line of the file of questions, as the beginning of a sentence."""
    return f"--questions {path!r}, line {line}"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        reason = "there is no such file"
    except UnicodeDecodeError:
        reason = "it is not UTF-8; save it as CSV in UTF-8, or as JSON lines"
    except OSError as error:
        reason = f"it cannot be read ({error.strerror})"
    raise ConfigurationError(f"--questions {path!r}: {reason}")


def _json_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            values = json.loads(row)
        except ValueError as error:
            raise _BadRowError(f"this is no JSON ({one_line(error, 80)}); write one object per line", line) from None
        if not isinstance(values, dict):
            raise _BadRowError("this is no JSON object; write one object per line, and no list around them", line)
        yield line, values


def _csv_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    header = text.lstrip().partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _BadRowError(f"from here on it is no CSV ({error}); is a quotation mark missing?", line) from None
        if not any(value.strip() for value in values):
            continue
        if not columns:
            columns = [value.strip().lower() for value in values]
            if missing := [name for name in COLUMNS[:2] if name not in columns]:
                raise _BadRowError(f"the header lacks {' and '.join(missing)}; name the columns {_or(COLUMNS)}", line)
            continue
        if len(values) > len(columns):
            raise _BadRowError(
                f"it has {len(values)} values for {len(columns)} columns; quote a value that has {delimiter!r}",
                line,
            )
        yield line, dict(zip(columns, values, strict=False))


def _question(line: int, row: Mapping[str, Any]) -> Question:
    values = {name: _word(name, row.get(name)) for name in COLUMNS}
    for name in COLUMNS[:2]:
        if not values[name]:
            raise _BadRowError(f"it has no {name}; give one, or remove the line")
    page, second = _page(values["page"]), _second(values["second"])
    if page is not None and second is not None:
        raise _BadRowError("it has a page and a second; keep the one that its source has")
    kind = _kind(values["kind"], values["source"], page, second)
    text = as_typed(values["question"])
    if not text:
        raise _BadRowError("its question has only invisible characters; give one, or remove the line")
    return Question(text, kind, values["language"], (Place(values["source"], page, second, line),))


def _word(name: str, value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _BadRowError(f"its {name} is {one_line(json.dumps(value), 40)}; give a text or a number")
    return str(value).strip()


def _page(text: str) -> int | None:
    if not text:
        return None
    try:
        number = float(text)  # 3.0, as programs write a column that has gaps
        page = int(number) if number.is_integer() else 0
    except (ValueError, OverflowError):
        page = 0
    if page < 1:
        raise _BadRowError(f"its page {text!r} is no whole number from 1 on; count the pages of the file from 1")
    return page


def _second(text: str) -> float | None:
    if not text:
        return None
    if clock := _CLOCK.fullmatch(text):
        return int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3])
    try:
        second = float(text)
    except ValueError:
        second = -1
    if not 0 <= second < math.inf:
        raise _BadRowError(f"its second {text!r} is no time; give seconds, such as 724.5, or a clock, such as 12:04.5")
    return second


def _kind(text: str, source: str, page: int | None, second: float | None) -> HitKind:
    if not text:
        suffix = f".{source.rpartition('.')[2]}".lower()
        given = HitKind.PAGES if page else HitKind.SPOKEN if second is not None else _KINDS_BY_SUFFIX.get(suffix)
        if given is None:
            raise _BadRowError(f"it has no page, no second and no kind; give its kind, {_or(tuple(HitKind))}")
        return given
    try:
        kind = HitKind(text.lower())
    except ValueError:
        raise _BadRowError(f"its kind {text!r} is unknown; give {_or(tuple(HitKind))}") from None
    if page is not None and kind is not HitKind.PAGES:
        raise _BadRowError(f"it has a page, but its kind is {kind}; remove one of them")
    if second is not None and kind not in _TIMED:
        raise _BadRowError(f"it has a second, but its kind is {kind}; remove one of them")
    return kind


def _joined(known: Question, more: Question) -> Question:
    """A question with one more place."""
    if more.language != known.language:
        raise _BadRowError(
            f"its question is that of line {known.line}, with another language; give both the same, or change the "
            "question"
        )
    place = more.places[0]
    if any((place.source, place.page, place.second) == (one.source, one.page, one.second) for one in known.places):
        raise _BadRowError("an earlier line has the same question and place; remove one of them")
    return Question(known.text, known.kind, known.language, (*known.places, place))


def _or(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
