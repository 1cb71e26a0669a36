"""Finds the ruled tables of a page and converts them to Markdown.

PyMuPDF's own table finder takes 30 to 200 ms per page, and 600 ms with the layout model that version 2 uses by default,
while reading the page takes 1.5 ms: the books and reports of a corpus would parse several times slower. This module
also looks for a grid of lines or box edges, and takes a few milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from unicodedata import normalize

from ingest.common.text import as_typed
from ingest.pdf.geometry import Rule, has_centre_in
from ingest.pdf.grids import grids_of, rules_of
from ingest.pdf.layout import Line, Paragraph, TableShape
from ingest.pdf.markdown_tables import as_markdown, is_reversed
from ingest.pdf.open_tables import MIN_RULES, is_typed, stacks_of, tables_between, typed_tables
from ingest.pdf.sideways import Turn, words_in
from ingest.pdf.table_cells import Grid, cells_of, is_whole
from ingest.pdf.table_shapes import shape_of
from ingest.pdf.table_words import cut_at_rules, with_exponents

if TYPE_CHECKING:
    from pymupdf import Page, TextPage

MIN_SIDE_BY_SIDE = 4
"""Minimum number of lines of text beside other lines on a page with a table, which has two rows and two columns."""

MIN_STROKES, MAX_STROKES = 6, 5000
"""Number of lines and boxes that a page with a grid draws; drawings and maps have more."""

MIN_TYPED = 3
"""Minimum number of rows of a table whose columns are typed with spaces, its titles among them."""

MIN_FILLED = 0.3
"""Minimum share of cells with text in a table; frames and forms have less."""

MIN_LABELLED = 1 / 3
"""Minimum share of rows with a first cell, or with several: the amounts of a form have their labels beside the grid."""

MAX_CELL = 400
"""Maximum mean characters of a cell: a table with more is only the layout of a page."""

MAX_CROSSING = 0.3
"""Maximum share of lines of text that cross the border of a cell: boxes behind words and rules below them look like a
grid, but text runs across it."""


class Table(NamedTuple):
    """The box of a table, its text as Markdown, words in its box that are part of lines beside it, and its shape."""

    x0: float
    y0: float
    x1: float
    y1: float
    markdown: str
    others: Sequence[tuple[Any, ...]] = ()
    shape: TableShape = TableShape()


def with_sideways_tables(
    page: Page, text: TextPage, paragraphs: list[Paragraph], words: Sequence[tuple[Any, ...]] | None, turn: Turn
) -> list[Paragraph]:
    """Do the same as `with_tables` for paragraphs that are horizontal after a turn."""
    words = page.get_text("words", textpage=text) if words is None else words
    own = words_in([line for paragraph in paragraphs for line in paragraph.lines], words)
    return turn.back.paragraphs(with_tables(page, text, turn.paragraphs(paragraphs), turn.words(own), turn))


def with_tables(
    page: Page,
    text: TextPage,
    paragraphs: list[Paragraph],
    words: Sequence[tuple[Any, ...]] | None = None,
    turn: Turn | None = None,
) -> list[Paragraph]:
    """Replace the paragraphs inside ruled tables by the tables.

    Args:
        page: the page.
        text: its text page.
        paragraphs: its paragraphs.
        words: its words in the form of `page.get_text("words")`, which is used by default.
        turn: how its paragraphs and words have been turned.
    """
    if not MIN_RULES <= (strokes := _strokes(page)) <= MAX_STROKES:
        return paragraphs
    if turn is None:
        horizontal, vertical = rules_of(page.get_cdrawings(), page.rect.width, page.rect.height)
    else:
        horizontal, vertical = rules_of(turn.drawings(page.get_cdrawings()), turn.height, turn.width)
    grids = list(grids_of(horizontal, vertical)) if strokes >= MIN_STROKES else []
    tables = _tables_in(grids, page, text, paragraphs, words)
    stacks = [
        stack for stack in stacks_of(horizontal) if not any(_is_in(rule, table) for rule in stack for table in tables)
    ]
    if stacks:
        words = with_exponents(page.get_text("words", textpage=text), paragraphs) if words is None else words
        tables += [Table(*table) for stack in stacks for table in tables_between(stack, horizontal, vertical, words)]
    return _with_found_tables(paragraphs, tables)


def with_tight_tables(
    page: Page, text: TextPage, paragraphs: list[Paragraph], words: Sequence[tuple[Any, ...]] | None
) -> list[Paragraph]:
    """Do the same as `with_tables` on a page without lines side by side, for tables whose columns are all ruled.

    Cells that stand close to each other are one line of text.
    """
    if not MIN_STROKES <= _strokes(page) <= MAX_STROKES:
        return paragraphs
    grids = filter(is_whole, grids_of(*rules_of(page.get_cdrawings(), page.rect.width, page.rect.height)))
    return _with_found_tables(paragraphs, _tables_in(list(grids), page, text, paragraphs, words))


def _tables_in(
    grids: Sequence[Grid],
    page: Page,
    text: TextPage,
    paragraphs: Sequence[Paragraph],
    words: Sequence[tuple[Any, ...]] | None,
) -> list[Table]:
    if not grids:
        return []
    cut = words
    if cut is None:
        places = [(grid.rows, grid.columns) for grid in grids]
        cut = cut_at_rules(page, text, page.get_text("words", textpage=text), places)
        cut = with_exponents(cut, paragraphs)
    return [table for grid in grids if (table := _table(grid, cut)) is not None]


def with_typed_tables(
    page: Page, text: TextPage, paragraphs: list[Paragraph], words: Sequence[tuple[Any, ...]] | None
) -> list[Paragraph]:
    """Replace the paragraphs inside tables whose columns are typed with spaces by the tables."""
    lines = [line for paragraph in paragraphs if not (paragraph.table or paragraph.listing) for line in paragraph.lines]
    if sum(map(is_typed, lines)) < MIN_TYPED:
        return paragraphs
    words = page.get_text("words", textpage=text) if words is None else words
    return _with_found_tables(paragraphs, [Table(*table) for table in typed_tables(lines, words)])


def _with_found_tables(paragraphs: list[Paragraph], tables: Iterable[Table]) -> list[Paragraph]:
    """Replace the lines inside tables by the tables. A line stays if a table does not have all of its words."""
    for table in tables:
        letters = _letters(table.markdown)
        lines = [line for paragraph in paragraphs for line in paragraph.lines if _contains(table, line, letters)]
        inside = set(map(id, lines))
        kept: list[Paragraph] = []
        placed = False
        for paragraph in paragraphs:
            rest = [line for line in paragraph.lines if id(line) not in inside]
            if len(rest) < len(paragraph.lines) and not placed:
                kept.append(Paragraph(*table[:4], lines, table.markdown, shape=table.shape))
                placed = True
            if len(rest) == len(paragraph.lines):
                kept.append(paragraph)
            elif rest:
                kept.append(Paragraph(paragraph.x0, paragraph.y0, paragraph.x1, paragraph.y1, rest))
        paragraphs = kept
    return paragraphs


def _contains(table: Table, line: Line, letters: str) -> bool:
    return (
        has_centre_in(line[:4], table[:4])
        and not any(has_centre_in(word[:4], line[:4]) for word in table.others)
        and all(_letters(word) in letters for word in line.text.split())
    )


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, normalize("NFKC", as_typed(text))))


def _strokes(page: Page) -> int:
    """The number of lines and boxes of a page: counts operators, in a tenth of the time of following them."""
    content = page.read_contents()
    return content.count(b" re") + content.count(b" l\n") + content.count(b" l ") + content.count(b" l\r")


def _is_in(rule: Rule, table: Table) -> bool:
    return table.y0 - 1 <= rule.at <= table.y1 + 1 and rule.start < table.x1 and rule.stop > table.x0


def _table(grid: Grid, words: Sequence[tuple[Any, ...]]) -> Table | None:
    """Put words into the cells of a grid; None if the grid is no table."""
    texts, merged, crossing, others, edges = cells_of(grid, words)
    rows, columns = sorted({row for row, _ in texts}), sorted({column for _, column in texts})
    if (
        len(rows) < 2
        or len(columns) < 2
        or len(texts) < MIN_FILLED * len(rows) * len(columns)
        or sum(map(len, texts.values())) > MAX_CELL * len(texts)
        or crossing > MAX_CROSSING
        or sum(count > 1 or (row, columns[0]) in texts for row, count in Counter(row for row, _ in texts).items())
        < MIN_LABELLED * len(rows)
    ):
        return None
    shown = sorted({row for row, _ in merged})
    cells = [[merged.get((row, column), "") for column in columns] for row in shown]
    shape = shape_of(grid, edges, merged, shown, columns[::-1] if is_reversed(cells) else columns)
    return Table(grid.columns[0], grid.rows[0], grid.columns[-1], grid.rows[-1], as_markdown(cells), others, shape)
