"""The bodies of requests: JSON in, checked requests out, and one sentence about whatever is wrong."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ingest.common.text import NOT_UTF8
from ingest.milvus.filters import Filter, from_json
from ingest.search.query import HitKind, SearchMode
from ingest.service.refused import RefusedError
from ingest.service.settings import MAX_CONTEXTS, MAX_HITS, MAX_PICTURES, MAX_QUESTION_CHARACTERS


@dataclass(frozen=True, slots=True)
class Question:
    """What is searched for: a text, or an image as the bytes of its file.

    Attributes:
        kinds: kinds of hits; empty for all.
        limit: most hits of each kind.
        thumbnails: whether hits come with their thumbnails.
        rerank: whether a cross-encoder puts the hits for texts in order; None where the service decides.
        conditions: what hits fulfil.
        context: whether hits for texts come with the text around them.
        prefix: beginning of the sources of all hits; empty for any.
    """

    text: str
    image: bytes
    kinds: tuple[HitKind, ...]
    limit: int
    mode: SearchMode
    thumbnails: bool
    rerank: bool | None = None
    conditions: Filter = ()
    context: bool = False
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Likeness:
    """The full URI of an object, how many similar ones are wanted, and what rows of them fulfil."""

    source: str
    limit: int
    conditions: Filter = ()


def question_in(body: bytes) -> Question:
    """The question in the body of a request.

    Raises:
        RefusedError: it is none.
    """
    known = {"question", "image", "in", "limit", "mode", "thumbnails", "rerank", "filter", "prefix", "context"}
    fields = _Fields(body, known)
    text, image = fields.text("question"), _decoded(fields.text("image"))
    if bool(text.strip()) == bool(image):
        raise RefusedError(400, "give either a question, which is not empty, or an image")
    thumbnails, context = (fields.of_type(name, bool, False, "true or false") for name in ("thumbnails", "context"))
    most, when = MAX_HITS, ""
    if thumbnails:
        most, when = MAX_PICTURES, " with thumbnails"
    elif context:
        most, when = MAX_CONTEXTS, " with context"
    return Question(
        text,
        image,
        tuple(fields.choices("in", HitKind)),
        fields.count("limit", most, when),
        fields.choice("mode", SearchMode, SearchMode.HYBRID),
        thumbnails,
        fields.of_type("rerank", bool, None, "true or false"),
        fields.filter("filter"),
        context,
        fields.text("prefix"),
    )


def likeness_in(body: bytes) -> Likeness:
    """What the body of a request wants to be compared.

    Raises:
        RefusedError: it does not say so.
    """
    fields = _Fields(body, {"source", "limit", "filter"})
    source = fields.text("source")
    if not source:
        raise RefusedError(400, "give a source: the full URI of an object, as hits have it")
    conditions = fields.filter("filter")
    if any(condition.name == "kind" for condition in conditions):
        raise RefusedError(400, "'filter': kind is that of a page, and objects have none; leave it out")
    return Likeness(source, fields.count("limit", MAX_HITS), conditions)


class _Fields:
    def __init__(self, body: bytes, known: set[str]) -> None:
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            raise RefusedError(400, "the body of the request is not JSON in UTF-8") from None
        if not isinstance(found, dict):
            raise RefusedError(400, "the body of the request is not a JSON object")
        if unknown := sorted(found.keys() - known):
            raise RefusedError(400, f"there is no field {unknown[0]!r:.80}; there are {', '.join(sorted(known))}")
        self._found: Mapping[str, Any] = {name: value for name, value in found.items() if value is not None}

    def of_type(self, name: str, wanted: type, default: Any, description: str) -> Any:
        value = self._found.get(name, default)
        if value is not default and type(value) is not wanted:
            raise RefusedError(400, f"{name!r} is not {description}")
        return value

    def text(self, name: str) -> str:
        value = str(self.of_type(name, str, "", "a text"))
        if NOT_UTF8.search(value):
            raise RefusedError(400, f"{name!r} has half of a surrogate pair, which is no character")
        if name != "image" and len(value) > MAX_QUESTION_CHARACTERS:
            raise RefusedError(400, f"{name!r} has more than {MAX_QUESTION_CHARACTERS} characters")
        return value

    def count(self, name: str, most: int, when: str = "") -> int:
        value = int(self.of_type(name, int, 5, "a whole number"))
        if not 1 <= value <= most:
            raise RefusedError(400, f"{name!r} is not between 1 and {most}{when}")
        return value

    def choice(self, name: str, parse: Callable[[str], Any], default: Any) -> Any:
        return self._parsed(name, self._found[name], parse) if name in self._found else default

    def choices(self, name: str, parse: Callable[[str], Any]) -> list[Any]:
        values = self._found.get(name, [])
        if isinstance(values, str):
            values = [value.strip() for value in values.split(",")]
        if not isinstance(values, list):
            raise RefusedError(400, f"{name!r} is not a list of texts")
        return list(dict.fromkeys(self._parsed(name, value, parse) for value in values))

    def filter(self, name: str) -> Filter:
        try:
            return from_json(self._found.get(name, {}))
        except ValueError as error:
            raise RefusedError(400, f"{name!r}: {error}") from None

    def _parsed(self, name: str, value: Any, parse: Any) -> Any:
        if not isinstance(value, str) or value not in set(parse):
            raise RefusedError(400, f"{name!r} names any of {', '.join(parse)}")
        return parse(value)


def _decoded(image: str) -> bytes:
    try:
        return base64.b64decode(image, validate=True)
    except (ValueError, binascii.Error):
        raise RefusedError(400, "'image' is not base64") from None
