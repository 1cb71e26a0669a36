"""Names the kind of a file that lies under the name of another kind, so that its owner sees the mistake."""

from __future__ import annotations

import re

from ingest.common.text import one_line

_START = 4096
"""Bytes that are examined."""

_QUOTED = 60
"""Characters of a text that are quoted."""

_KINDS = (
    (rb"(?i)\s*(?:<!doctype html|<html)", "a web page, perhaps of a login or an error"),
    (rb"\s*(?:<\?xml|<)", "a text in XML or HTML, perhaps an error message"),
    (rb"\{\\rtf", "a text in RTF"),
    (rb"\[[\w. {}-]+\]\s*[\r\n]", "a file of settings or a shortcut"),
    (rb'\s*(?:\{\s*["}]|\[\s*[\[{"\]\d-])', "a text in JSON, perhaps an error message"),
    (rb"version https://git-lfs", "a pointer of Git LFS to the file"),
    (rb"%PDF-", "a PDF"),
    (rb"PK\x03\x04|7z\xbc\xaf|\x1f\x8b|Rar!|BZh\d1AY|\xfd7zXZ", "an archive"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of an office program"),
    (rb"\0\x05\x16[\0\x07]", "metadata of macOS (AppleDouble)"),
    (rb"\x7fELF|MZ.{58}|SQLite format 3", "a program or a database"),
    (rb"....ftyp(?!hei|hev|mif|msf|avi)|\x1aE\xdf\xa3|RIFF....AVI ", "a video"),
    (rb"ID3[\x02-\x04]|RIFF....WAVE|fLaC|OggS", "a sound"),
    (rb"\xff\xd8\xff|\x89PNG\r|GIF8[79]a|RIFF....WEBP|(?:II\*\0|MM\0\*)|....ftyp(?:hei|hev|mif|avi)", "an image"),
    (rb"data:image/|/9j/4|iVBORw0KGgo", "an image in Base64"),
)


def kind_of(data: bytes) -> str | None:
    """Return the kind of a file as part of a sentence, by its first bytes; None if they tell none."""
    start = data[:_START]
    for pattern, name in _KINDS:
        if re.match(pattern, start, re.DOTALL):
            return name
    try:
        text = start.decode("utf-8-sig") if len(data) <= _START else start.decode("ascii")
    except UnicodeDecodeError:
        return None
    if not text.strip() or any(not (character.isprintable() or character.isspace()) for character in text):
        return None
    return f"a text ({one_line(text, _QUOTED)!r})"
