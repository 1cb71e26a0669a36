"""Each chunk of a long table says what its rows are about: all titles of its columns, and labels over several rows."""

from pathlib import Path

import pymupdf
import pytest

from ingest.pdf.chunking import ChunkSettings, chunk_pages
from ingest.pdf.document import parse_pdf

COLUMNS = [60, 150, 230, 310, 390]
HEIGHT = 18


@pytest.fixture(scope="module")
def tokenizer_json(minilm_path):
    return (Path(minilm_path) / "tokenizer.json").read_text(encoding="utf-8")


def draw(page, rows, top=60.0, columns=COLUMNS, closed=True):
    """Draw a table; a cell "<" is part of the one to its left, "^" of the one above it, and "+" of an empty one above.

    If it is not closed, there is no rule above its first and below its last row.
    """
    bottom = top + HEIGHT * len(rows)
    rules = page.new_shape()
    rules.draw_line((columns[0], top), (columns[0], bottom))
    rules.draw_line((columns[-1], top), (columns[-1], bottom))
    texts = page.new_shape()
    for number, row in enumerate(rows):
        y = top + HEIGHT * number
        for column, text in enumerate(row):
            left, right = columns[column : column + 2]
            if text not in ("^", "+") and (number or closed):
                rules.draw_line((left, y), (right, y))
            if column and text != "<":
                rules.draw_line((left, y), (left, y + HEIGHT))
            if text not in ("<", "^", "+"):
                texts.insert_text((left + 3, y + 13), text, fontsize=9)
    if closed:
        rules.draw_line((columns[0], bottom), (columns[-1], bottom))
    rules.finish()
    rules.commit()
    texts.commit()


def chunks(pages, tokenizer_json, tokens=90, **settings):
    """The lines of the chunks of a document with a table on each page."""
    with pymupdf.open() as document:
        for rows in pages:
            page = document.new_page(height=60 + HEIGHT * 36)
            draw(page, rows, **settings)
        parsed, _, _ = parse_pdf(document.tobytes(), ocr=False)
    found = chunk_pages(parsed, tokenizer_json, ChunkSettings(tokens, 0))
    return [(chunk.page, chunk.text.split("\n")) for chunk in found]


def values(first, last):
    return [f"{number}.5 m" for number in range(first, last)]


GROUPS = [
    ["Port", "Summer", "<", "Winter"],
    ["^", "Boats", "Dues", "Boats"],
]
GROUPED = [["Port", "Summer", "", "Winter"], ["", "Boats", "Dues", "Boats"]]


@pytest.mark.parametrize(
    ("head", "shown"),
    [
        (GROUPS, GROUPED),
        (
            [["Port", "Revenue", "<", "Boats"], ["^", "2023", "2024", "2024"]],
            [["Port", "Revenue", "", "Boats"], ["", "2023", "2024", "2024"]],
        ),
        (
            [["Register of moorings", "<", "<", "<"], *GROUPS],
            [["Register of moorings", "", "", ""], *GROUPED],
        ),
    ],
    ids=["groups", "years", "title"],
)
def test_each_chunk_has_all_rows_of_titles(head, shown, tokenizer_json):
    rows = [[f"harbour {row}", *values(3 * row, 3 * row + 3)] for row in range(1, 30)]
    found = chunks([[*head, *rows]], tokenizer_json)
    assert len(found) > 3
    lines = ["|" + "|".join(row) + "|" for row in shown]
    assert all([line for line in text if "---" not in line][: len(lines)] == lines for _, text in found)
    body = [line for _, text in found for line in text if line.startswith("|harbour")]
    assert body == ["|" + "|".join(row) + "|" for row in rows]


@pytest.mark.parametrize(
    "rows",
    [
        [["Port", "Light", "Depth", "Tide"]],
        [["Register", "<", "<", "<"], ["harbour 0", "1.5 m", "2.5 m", "3.5 m"]],
    ],
    ids=["one row", "values below a title"],
)
def test_a_row_of_values_is_no_title(rows, tokenizer_json):
    body = [[f"harbour {row}", *values(row, row + 3)] for row in range(1, 30)]
    found = chunks([[*rows, *body]], tokenizer_json)
    assert all(text[2].startswith("|harbour") and text[3].startswith("|harbour") for _, text in found[:-1])
    assert len({text[2] for _, text in found}) == len(found)


def basins(first, last, name):
    return [[name if row == first else "^", f"berth {row}", f"{row}.5 m", "red"] for row in range(first, last)]


TITLES = ["Basin", "Berth", "Depth", "Light"]


def test_a_label_over_several_rows_is_repeated_in_the_first_row_of_each_chunk(tokenizer_json):
    rows = [TITLES, *basins(1, 16, "North"), *basins(16, 30, "South")]
    found = chunks([rows], tokenizer_json)
    assert len(found) > 2
    for _, text in found:
        assert text[0] == "|Basin|Berth|Depth|Light|"
        number = int(text[2].split("|")[2].split()[1])
        assert text[2].split("|")[1] == ("North" if number < 16 else "South")
    assert [line.split("|")[2] for _, text in found for line in text[2:]] == [f"berth {row}" for row in range(1, 30)]
    assert sum(line.startswith("||") for _, text in found for line in text[2:]) == 29 - len(found) - 1


def test_an_empty_cell_below_a_rule_gets_no_label(tokenizer_json):
    rows = [TITLES, *basins(1, 4, "North"), *[["", f"berth {row}", f"{row}.5 m", "red"] for row in range(4, 30)]]
    found = chunks([rows], tokenizer_json)
    assert [text[2].split("|")[1] for _, text in found[1:]] == [""] * (len(found) - 1)


@pytest.mark.parametrize("closed", [True, False])
def test_the_rest_of_a_table_on_the_next_page_has_its_titles_and_its_label(closed, tokenizer_json):
    first = [TITLES, *basins(1, 16, "North"), *basins(16, 30, "South")]
    rest = [["" if row == 30 else "+", f"berth {row}", f"{row}.5 m", "red"] for row in range(30, 60)]
    found = chunks([first, rest], tokenizer_json, closed=closed)
    assert all(text[0] == "|Basin|Berth|Depth|Light|" for _, text in found)
    assert {text[2].split("|")[1] for page, text in found if page == 2} == {"South"}
    assert [line.split("|")[2] for _, text in found for line in text[2:]] == [f"berth {row}" for row in range(1, 60)]


@pytest.mark.parametrize("high", [False, True])
def test_so_it_has_with_titles_in_several_rows_or_repeated_ones(high, tokenizer_json):
    rows = [[f"harbour {row}", *values(3 * row, 3 * row + 3)] for row in range(1, 60)]
    head = GROUPS if high else [TITLES]
    for again in ([], head):
        found = chunks([[*head, *rows[:29]], [*again, *rows[29:]]], tokenizer_json)
        lines = ["|" + "|".join(row) + "|" for row in (GROUPED if high else [TITLES])]
        assert all([line for line in text if "---" not in line][: len(lines)] == lines for _, text in found)
        assert [line.split("|")[1] for _, text in found for line in text if line.startswith("|harbour")] == [
            row[0] for row in rows
        ]


def test_another_table_with_columns_at_the_same_places_keeps_its_titles(tokenizer_json):
    one = [TITLES, *[[f"basin {row}", f"{row}.5 m", f"{row}.5 m", f"{row}"] for row in range(1, 20)]]
    other = [["Port", "Boats", "Crew", "Dues"], *[[f"port {row}", *values(row, row + 3)] for row in range(1, 20)]]
    found = chunks([one, other], tokenizer_json)
    assert {text[0] for page, text in found if page == 2} == {"|Port|Boats|Crew|Dues|"}


def test_a_table_behind_a_sentence_is_no_rest(tokenizer_json):
    rows = [[f"harbour {row}", *values(3 * row, 3 * row + 3)] for row in range(1, 20)]
    with pymupdf.open() as document:
        draw(document.new_page(height=500), [TITLES, *rows])
        page = document.new_page(height=500)
        page.insert_text((60, 80), "The harbours below were measured in another year, by another master.", fontsize=9)
        draw(page, rows, top=100)
        pages, _, _ = parse_pdf(document.tobytes(), ocr=False)
    assert "Basin" in pages[0].text
    assert "Basin" not in pages[1].text


def test_a_row_of_values_that_a_table_begins_with_is_not_repeated_on_the_next_page(tokenizer_json):
    rows = [[f"harbour {row}", *values(3 * row, 3 * row + 3)] for row in range(1, 40)]
    found = chunks([rows[:20], rows[20:]], tokenizer_json, tokens=2000)
    assert [line.split("|")[1] for _, text in found for line in text if "---" not in line] == [row[0] for row in rows]


def test_an_empty_row_above_a_cell_without_a_rule_costs_nothing(tokenizer_json):
    rows = [TITLES, ["north", "1.5 m", "2.5 m", "red"], [""] * 4, ["+", "3.5 m", "4.5 m", "red"]]
    ((_, text),) = chunks([rows], tokenizer_json)
    assert text[2:] == ["|north|1.5 m|2.5 m|red|", "||3.5 m|4.5 m|red|"]
