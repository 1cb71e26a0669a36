"""What a search finds: pages, images, spoken passages and key frames. Hits are hashable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ingest.common.owner_values import OWNER
from ingest.common.text import one_line
from ingest.common.typed_values import Value, as_text
from ingest.pdf.places import PLACE

SHOWN_OWNER = 160
"""Characters of the owner's values that people are shown beside a hit."""

OwnerPairs = tuple[tuple[str, Value], ...]
"""Names and values of what the owner says about an object."""


@dataclass(frozen=True, slots=True)
class PageHit:
    """A page, counted from 1, with the text of its best chunk.

    Attributes:
        boxes: where that text stands on the page: (x0, y0, x1, y1) in points from the upper left corner of the page as
            viewers show it. There are none where a text has no place, as in an attached file. None: the chunk was
            written before there were boxes; a run with --full-refresh adds them.
        page_size: width and height of the page in points; None if there are no boxes.
        owner: the owner's values.
        context: the text of the page, if it is asked for.
    """

    source: str
    version: str
    page: int
    text: str
    score: float
    boxes: tuple[tuple[float, ...], ...] | None = None
    page_size: tuple[float, ...] | None = None
    owner: OwnerPairs = ()
    context: str | None = None


@dataclass(frozen=True, slots=True)
class ImageHit:
    """An image, with its size in pixels."""

    source: str
    version: str
    width: int
    height: int
    score: float
    owner: OwnerPairs = ()


@dataclass(frozen=True, slots=True)
class SpokenHit:
    """A spoken passage: the answer begins at the second `start`, and the passage ends at the second `end`.

    Attributes:
        owner: the owner's values.
        context: what is said around it, if it is asked for.
    """

    source: str
    version: str
    start: float
    end: float
    text: str
    score: float
    owner: OwnerPairs = ()
    context: str | None = None


@dataclass(frozen=True, slots=True)
class FrameHit:
    """A key frame, with its time in seconds from the start of the video."""

    source: str
    version: str
    time: float
    score: float
    owner: OwnerPairs = ()


TextHit = PageHit | SpokenHit
Hit = TextHit | ImageHit | FrameHit


def place_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a PageHit that say where its text stands, by the metadata of its row."""
    place = metadata.get(PLACE, {})
    return {"boxes": hashable(place.get("boxes")), "page_size": hashable(place.get("page"))}


def owner_of(metadata: Mapping[str, Any]) -> OwnerPairs:
    """The owner's values in the metadata of a row."""
    return tuple(metadata.get(OWNER, {}).items())


def hashable(value: Any) -> Any:
    """A value of JSON with tuples for its lists."""
    return tuple(map(hashable, value)) if isinstance(value, list) else value


def shown_owner(hit: Hit) -> str:
    """The owner's values in one short line, such as `tenant=acme, year=2026`; empty if there are none."""
    pairs = ", ".join(f"{name}={as_text(value)}" for name, value in hit.owner)
    return one_line(pairs, SHOWN_OWNER) if pairs else ""
