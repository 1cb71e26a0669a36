"""Turns lines, words and rules that run up or down a page so that they are horizontal, and back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest.pdf.geometry import Box, has_centre_in
from ingest.pdf.layout import Line, Paragraph

if TYPE_CHECKING:
    from pymupdf import Page

MIN_LINES = 6
"""Minimum number of lines of a table that runs up or down a page."""

STRIPE = 12.0
"""Width in points of the stripes of a page in which the line of a word is looked for."""

_DOWN, _UP = (0.0, 1.0), (0.0, -1.0)


class Turn(NamedTuple):
    """A turn by 90 degrees of a page of some width and height, after which lines in one direction are horizontal."""

    down: bool
    width: float
    height: float

    def box(self, box: Sequence[Any]) -> Box:
        """Turn a box."""
        x0, y0, x1, y1 = box[:4]
        if self.down:
            return y0, self.width - x1, y1, self.width - x0
        return self.height - y1, x0, self.height - y0, x1

    @property
    def back(self) -> Turn:
        """The turn that undoes this one."""
        return Turn(not self.down, self.height, self.width)

    def words(self, words: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Turn words in the form of `page.get_text("words")`."""
        return [(*self.box(word), *word[4:]) for word in words]

    def drawings(self, drawings: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Turn the lines and boxes of drawings."""
        turned = []
        for drawing in drawings:
            items: list[tuple[Any, ...]] = []
            for item in drawing["items"]:
                if item[0] == "l":
                    start, stop = (self.box((*point, *point))[:2] for point in item[1:3])
                    items.append(("l", start, stop))
                elif item[0] == "re":
                    (x0, x1), (y0, y1) = sorted(item[1][::2]), sorted(item[1][1::2])
                    items.append(("re", self.box((x0, y0, x1, y1))))
            turned.append({"items": items})
        return turned

    def paragraphs(self, paragraphs: Iterable[Paragraph]) -> list[Paragraph]:
        """Turn paragraphs; the edges of columns of their tables, which are compared with other pages, are left out."""
        turned = []
        for paragraph in paragraphs:
            x0, y0, x1, y1 = self.box((paragraph.x0, paragraph.y0, paragraph.x1, paragraph.y1))
            lines = [Line._make((*self.box(line), *line[4:])) for line in paragraph.lines]
            shape = paragraph.shape._replace(lefts=())
            turned.append(replace(paragraph, x0=x0, y0=y0, x1=x1, y1=y1, lines=lines, shape=shape))
        return turned


def words_in(lines: Iterable[Line], words: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the words of lines that run up or down a page, without those of others."""
    stripes: defaultdict[int, list[Line]] = defaultdict(list)
    for line in lines:
        for stripe in range(int(line.x0 / STRIPE), int(line.x1 / STRIPE) + 1):
            stripes[stripe].append(line)
    return [
        word
        for word in words
        if any(has_centre_in(word[:4], line[:4]) for line in stripes.get(int((word[0] + word[2]) / 2 / STRIPE), ()))
    ]


def turn_of(page: Page, content: dict[str, Any]) -> Turn | None:
    """Return the turn after which most lines of a page are horizontal that are not; None if there are too few.

    Args:
        page: the page.
        content: the result of `page.get_text("dict")`.
    """
    lines = [line for block in content["blocks"] for line in block.get("lines", ())]
    directions = Counter(line["dir"] for line in lines if line["wmode"] == 0)
    down, up = directions[_DOWN], directions[_UP]
    return Turn(down > up, page.rect.width, page.rect.height) if max(down, up) >= MIN_LINES else None
