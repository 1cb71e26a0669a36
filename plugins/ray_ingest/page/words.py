"""Search by words, which needs no model: Milvus's BM25 finds the passages, and their words are marked."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from ray_ingest.page.expressions import both, under
from ray_ingest.page.filters import Filter, expression
from ray_ingest.page.milvus_client import MilvusClient

TEXTS = {"documents": ("page", "kind"), "video_segments": ("start", "end")}
"""The collections with texts, and the fields that say where a passage stands."""

PLACED = {"documents": ("metadata",)}
"""The field of a collection that has the boxes of a passage on its page."""

EXCERPT = 600
"""Characters of a passage that are shown at most."""

# Chinese, Japanese and Korean have no spaces: each character counts as a word.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]+|[^\W{_CJK}]+")
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_SHORT = 3
"""Letters of the words of which most say little."""

_LATIN = "\u02ff"
"""The last character of the Latin script, but for rare ones."""

_COMMON = 3
"""Letters that two forms of a word share at least, such as `valve` and `valves`."""


async def search_words(
    client: MilvusClient, question: str, prefix: str, limit: int, conditions: Filter = ()
) -> dict[str, Any]:
    """The passages with the words of a question, the best first, for each collection of texts.

    :param prefix: of the addresses of the objects to look in; empty for all.
    :param conditions: what the passages fulfil.
    """
    question = as_typed(question)
    target = await client.target()
    found: dict[str, Any] = {}
    for collection, fields in TEXTS.items():
        name = target.named(collection)
        described = await client.describe(name)
        if described is None:
            continue
        if all(field["name"] != "sparse" for field in described["fields"]):
            found[collection] = {"hits": [], "sentence": "This Milvus server is too old for a search by words."}
            continue
        condition = expression(conditions, collection)
        hits = await client.search(
            name,
            data=[question],
            anns_field="sparse",
            search_params={"metric_type": "BM25"},
            filter=both(under(prefix) if prefix else "", condition or ""),
            limit=limit,
            output_fields=["source", "text", *fields, *PLACED.get(collection, ())],
        ) if _WORD.search(question) and condition is not None else []  # fmt: skip
        found[collection] = {"hits": [_hit(hit["entity"], fields, question) for hit in hits], "sentence": ""}
    return found


def as_typed(question: str) -> str:
    """A question in composed letters, and in ordinary ones for those of full width, as texts are stored."""
    return unicodedata.normalize("NFC", question).translate(_FULL_WIDTH)


def _hit(row: dict[str, Any], fields: tuple[str, ...], question: str) -> dict[str, Any]:
    """A hit as JSON; ``place`` is None for a passage of a page that was written before places were kept."""
    return {
        "source": row["source"],
        **{field: row[field] for field in fields},
        **({"place": row["metadata"].get("place")} if "metadata" in row else {}),
        "text": marked(excerpt(row["text"], question), question),
    }


def excerpt(text: str, question: str) -> str:
    """A part of a text of at most about EXCERPT characters, in which most of the question's words stand."""
    if len(text) <= EXCERPT:
        return text
    places = [begin for begin, _ in _spans(text, question)] or [0]
    best = max(places, key=lambda place: sum(place <= other < place + EXCERPT for other in places))
    begin = max(0, best - EXCERPT // 6)
    end = begin + EXCERPT
    if begin:  # at the beginning of a word
        begin = next((at + 1 for at in range(begin, min(begin + 30, best)) if text[at].isspace()), begin)
    return ("…" if begin else "") + text[begin:end].strip() + ("…" if end < len(text) else "")


def marked(text: str, question: str) -> list[list[Any]]:
    """The text in pieces ``[piece, is a word of the question]``."""
    pieces: list[list[Any]] = []
    last = 0
    for begin, end in _spans(text, question):
        if begin > last:
            pieces.append([text[last:begin], False])
        pieces.append([text[begin:end], True])
        last = end
    if last < len(text):
        pieces.append([text[last:], False])
    return pieces


def _spans(text: str, question: str) -> list[tuple[int, int]]:
    """Where words of the question stand in a text, also in another form: the analyzers of Milvus stem words."""
    words = _telling([match[0] for match in _WORD.finditer(question)])
    written = {word for word in words if re.match(f"[{_CJK}]", word)}
    # Pairs of characters, since the analyzer's words within a question are not known here.
    pairs = {word[at : at + 2] for word in written for at in range(max(1, len(word) - 1))}
    alphabetic = words - written
    spans: list[tuple[int, int]] = []
    for match in _WORD.finditer(text):
        word = match[0].casefold()
        if re.match(f"[{_CJK}]", word):
            for at in range(len(match[0])):
                for length in (2, 1):
                    if match[0][at : at + length] in pairs:
                        spans.append((match.start() + at, match.start() + at + length))
                        break
        elif any(_are_forms(word, other) for other in alphabetic):
            spans.append(match.span())
    return _joined(spans)


def _telling(words: list[str]) -> set[str]:
    """The words of a question without short ones such as `the`, which stand in every text, if there are longer ones.

    Short ones in capitals or with a digit, such as `GPU`, stay, and so do those of other scripts than Latin.
    """
    found = {word.casefold() for word in words if len(word) > _SHORT or _is_name(word) or word[0] > _LATIN}
    return found or {word.casefold() for word in words}


def _is_name(word: str) -> bool:
    return not word.isalpha() or (len(word) > 1 and word.isupper())


def _are_forms(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return one == other or (len(short) >= _COMMON and long.startswith(short) and len(long) - len(short) <= _COMMON)


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for begin, end in spans:
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined
