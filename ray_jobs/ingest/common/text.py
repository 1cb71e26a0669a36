"""Text for people: on one line, without control characters or secrets, in any script."""

from __future__ import annotations

from ingest.common.redaction import redact

CJK = "\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef"
"""The characters of the scripts that put no spaces between words, for the brackets of a regular expression."""


def printable(text: str) -> str:
    """A name with its control characters and line breaks, which an object's key may hold, escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def one_line(error: object, limit: int = 300) -> str:
    """The text of an error on one line of at most `limit` characters, without secrets."""
    text = redact(printable(" ".join(str(error).split()))) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
