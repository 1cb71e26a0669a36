"""The text around a hit: its whole page, or what is said before and after it, put together from the rows in Milvus.

A chunk of a page may begin with the end of the one before it (`--chunk-overlap`), and each part of a table begins with
the titles of its columns. Neither is repeated. Rows do not say how their chunks overlap, so that what two of them share
has to have MIN_REPEATED characters, and to begin and end between words.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ingest.common.text import CJK
from ingest.milvus.expressions import literal
from ingest.search.hits import PageHit, SpokenHit, TextHit
from ingest.search.query import WINDOW, Asking

if TYPE_CHECKING:
    from pymilvus import MilvusClient

MAX_CONTEXT = 10_000
"""Characters of a context. Of a longer text, it is the part around the hit."""

SECONDS_AROUND = 60.0
"""Passages of a recording are part of the context of a hit if they are spoken within so many seconds of it."""

HITS_PER_QUERY = 100
"""Hits whose rows are asked for together."""

MIN_REPEATED = 8
"""Characters that two chunks must share if the second is to repeat the end of the first."""

_TITLES = re.compile(r"\|.*\n\|(?:---\|)+\n")
_WITHIN_WORD = re.compile(rf"(?![{CJK}])\w(?![{CJK}])\w")


def with_context(client: MilvusClient, collection: str, hits: Sequence[TextHit], asking: Asking) -> list[TextHit]:
    """The hits with their contexts, for one query per HITS_PER_QUERY hits.

    Args:
        collection: full name of the collection that they are from.
    """
    rows: defaultdict[tuple[str, str, int], dict[int, dict[str, Any]]] = defaultdict(dict)
    for start in range(0, len(hits), HITS_PER_QUERY):
        for row in _rows(client, collection, hits[start : start + HITS_PER_QUERY], asking):
            rows[row["source"], row["version"], row.get("page", 0)][row["ordinal"]] = row
    return [replace(hit, context=_context(hit, rows[_place(hit)])) for hit in hits]


def _place(hit: TextHit) -> tuple[str, str, int]:
    return hit.source, hit.version, hit.page if isinstance(hit, PageHit) else 0


def _rows(client: MilvusClient, collection: str, hits: Sequence[TextHit], asking: Asking) -> list[dict[str, Any]]:
    """The rows of the pages of some hits, or around some passages."""
    condition = " or ".join(f"({_around(hit)})" for hit in hits)
    own = ["page"] if isinstance(hits[0], PageHit) else ["start", "end"]
    fields = ["source", "version", "ordinal", "text", *own]
    found: list[dict[str, Any]] = client.query(
        collection, filter=condition, output_fields=fields, limit=WINDOW, **asking.options()
    )
    if len(found) < WINDOW or len(hits) == 1:
        return found
    half = len(hits) // 2
    return [row for some in (hits[:half], hits[half:]) for row in _rows(client, collection, some, asking)]


def _around(hit: TextHit) -> str:
    of_object = f"source == {literal(hit.source)} and version == {literal(hit.version)}"
    if isinstance(hit, PageHit):
        return f'{of_object} and page == {hit.page} and kind != "caption"'
    return f"{of_object} and start <= {hit.end + SECONDS_AROUND:.3f} and end >= {hit.start - SECONDS_AROUND:.3f}"


def _context(hit: TextHit, rows: dict[int, dict[str, Any]]) -> str:
    in_order = [row for _, row in sorted(rows.items())]
    if isinstance(hit, SpokenHit):
        texts = [row["text"] for row in in_order if _is_near(hit, row)]
        parts = [text + "\n" for text in texts[:-1]] + texts[-1:]  # every word is in one passage
    else:
        texts = [row["text"] for row in in_order]
        parts = parts_of_page(texts)
    return within(MAX_CONTEXT, parts, texts.index(hit.text) if hit.text in texts else 0)


def _is_near(hit: SpokenHit, row: Mapping[str, Any]) -> bool:
    return bool(row["start"] <= hit.end + SECONDS_AROUND and row["end"] >= hit.start - SECONDS_AROUND)


def parts_of_page(texts: Sequence[str]) -> list[str]:
    """The texts of the chunks of a page, in their order, without what they repeat of the chunks before them."""
    return [*texts[:1], *(_continued(before, text) for before, text in pairwise(texts))]


def within(limit: int, parts: Sequence[str], centre: int) -> str:
    """The parts as one text; if it is longer than `limit` characters, so much of it around the part `centre`."""
    whole = "".join(parts)
    if len(whole) <= limit:
        return whole
    middle = len("".join(parts[:centre])) + len(parts[centre]) // 2
    start = min(max(middle - limit // 2, 0), len(whole) - limit)
    before, behind = "…" if start else "", "…" if start + limit < len(whole) else ""
    return f"{before}{whole[start + len(before) : start + limit - len(behind)]}{behind}"


def _continued(before: str, text: str) -> str:
    """What a chunk of a page adds to the one before it."""
    titles = _TITLES.match(text)
    if titles and before.startswith(titles[0]):
        return "\n" + text[titles.end() :]
    for length in range(min(len(before), len(text)), MIN_REPEATED - 1, -1):
        if before.endswith(text[:length]) and not (_cuts(before, len(before) - length) or _cuts(text, length)):
            return text[length:]
    return "\n" + text


def _cuts(text: str, place: int) -> bool:
    """Whether a place in a text is within a word."""
    return place > 0 and _WITHIN_WORD.match(text, place - 1) is not None
