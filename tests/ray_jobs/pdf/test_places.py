"""The boxes of a chunk are where its page shows the chunk's words, however the page is turned, cut and laid out."""

import json

import pymupdf
import pytest

from ingest.pdf.chunking import ChunkSettings, chunk_pages
from ingest.pdf.document import parse_pdf
from ingest.pdf.places import MAX_BOXES, NO_PAGE, TablePlaces, TextBox, TextPlaces, place_on
from ingest.pdf.structure import Block, Page
from long_pdf import tokenizer_json
from read_pdfs import PROSE

LONG = " ".join(f"{sentence.strip()} This is note{number}." for number in range(8) for sentence in PROSE.split(".")[:3])
MAX_BYTES = 8192


def chunks_of(data, tokens=60):
    pages, _, _ = parse_pdf(data, ocr=False)
    return list(chunk_pages(pages, tokenizer_json(), ChunkSettings(tokens, 0)))


def words_under(data, number, boxes):
    """The words whose middles are in the boxes, as PyMuPDF finds them on the page of the untouched file."""
    with pymupdf.open(stream=data) as document:
        page = document[number - 1]
        found = []
        for *box, text, _, _, _ in page.get_text("words"):
            place = pymupdf.Rect(box) * page.rotation_matrix
            x, y = (place.x0 + place.x1) / 2, (place.y0 + place.y1) / 2
            if any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in boxes):
                found.append(text)
        return found


def size_of(data, number):
    with pymupdf.open(stream=data) as document:
        return [round(value, 1) for value in document[number - 1].rect.br]


def assert_boxes_have_the_words(data, chunks, line=14):
    """Each chunk has the words under its boxes, and others only in the lines of `line` words that it is a part of."""
    for chunk in chunks:
        place = chunk.metadata["place"]
        assert place["page"] == size_of(data, chunk.page)
        under, own = words_under(data, chunk.page, place["boxes"]), chunk.text.split()
        assert set(own) <= set(under), (own, under)
        assert len(under) <= len(own) + 2 * line


def prose(rotation=0, crop=None, columns=1):
    with pymupdf.open() as document:
        page = document.new_page(width=595, height=842)
        if columns == 1:
            page.insert_textbox((120, 150, 480, 700), LONG, fontsize=10)
        else:
            middle = LONG.index("This is note4.")
            page.insert_textbox((120, 150, 290, 700), LONG[:middle], fontsize=10)
            page.insert_textbox((310, 150, 480, 700), LONG[middle:], fontsize=10)
        if crop:
            page.set_cropbox(pymupdf.Rect(crop))
        page.set_rotation(rotation)
        return document.tobytes()


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("crop", [None, (80, 100, 560, 760)], ids=["whole", "cropped"])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_prose_that_is_cut_into_chunks(rotation, crop, columns):
    data = prose(rotation, crop, columns)
    chunks = chunks_of(data)
    assert len(chunks) > 4
    assert_boxes_have_the_words(data, chunks)


def test_a_chunk_has_only_the_lines_that_it_begins_and_ends_in():
    data = prose()
    first, second = (chunk.metadata["place"]["boxes"] for chunk in chunks_of(data)[:2])
    assert abs(second[0][1] - first[-1][3]) < 15  # a line is 14 points high


def test_lines_with_the_same_edges_are_one_box():
    boxes = [TextBox(72, 100 + 12 * line, 500, 111 + 12 * line, "") for line in range(5)]
    short = TextBox(72, 160, 300, 171, "")
    other_column = TextBox(320, 100, 500, 111, "")
    assert place_on((595, 842), [*boxes, short, other_column])["boxes"] == [
        [72, 100, 500, 159], [72, 160, 300, 171], [320, 100, 500, 111]
    ]  # fmt: skip


def test_a_page_break_in_a_word_and_in_a_paragraph():
    with pymupdf.open() as document:
        first = ["The keeper climbs the tower at dusk, trims the", "wick and polishes the reflec-"]
        document.new_page().insert_text((72, 700), first)
        document.new_page().insert_text((72, 100), ["tor before the lamp is lit, and writes", "the hour into the log."])
        data = document.tobytes()
    first_chunk, second_chunk = chunks_of(data)
    assert first_chunk.text.endswith("the reflector")
    assert words_under(data, 1, first_chunk.metadata["place"]["boxes"])[-1] == "reflec-"
    assert words_under(data, 2, second_chunk.metadata["place"]["boxes"])[:3] == ["tor", "before", "the"]
    assert_boxes_have_the_words(data, [second_chunk])


def test_a_heading_of_two_lines_and_the_text_below_it():
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((72, 80), "A long heading that goes", fontsize=20)
        page.insert_text((72, 106), "on in another line", fontsize=20)
        page.insert_textbox((72, 130, 520, 700), LONG, fontsize=10)
        data = document.tobytes()
    chunks = chunks_of(data)
    assert chunks[0].metadata["headings"] == ["A long heading that goes on in another line"]
    assert_boxes_have_the_words(data, chunks, 18)


def table(rows):
    """A ruled table of three columns, whose titles are in the first row."""
    with pymupdf.open() as document:
        page = document.new_page(width=595, height=842)
        page.insert_text((72, 60), "The oil of the lights is listed here by month.", fontsize=10)
        for number, row in enumerate(rows):
            for column, text in enumerate(row):
                box = pymupdf.Rect(72 + 140 * column, 80 + 18 * number, 212 + 140 * column, 98 + 18 * number)
                page.draw_rect(box, width=0.7)
                page.insert_text((box.x0 + 4, box.y1 - 5), text, fontsize=9)
        return document.tobytes()


ROWS = [["Light", "Month", "Oil"], *([f"Tower{number}", f"may{number}", f"{number}.5 l"] for number in range(30))]


def test_parts_of_a_table_have_their_rows_and_its_titles():
    data = table(ROWS)
    parts = [chunk for chunk in chunks_of(data, 200) if chunk.metadata.get("table")]
    assert len(parts) > 1
    for part in parts:
        own = part.text.replace("|---", "").replace("|", " ").split()
        assert words_under(data, 1, part.metadata["place"]["boxes"]) == own


def test_a_whole_table_is_one_box():
    data = table(ROWS[:6])
    [part] = [chunk for chunk in chunks_of(data, 400) if chunk.metadata.get("table")]
    [box] = part.metadata["place"]["boxes"]
    assert box == pytest.approx([72, 80, 492, 188], abs=10)


def row_boxes(*rows):
    return [TextBox(0, 10 * number, 9, 10 * number + 9, row) for number, row in enumerate(rows)]


def test_a_part_with_a_divided_row_has_the_whole_table():
    boxes = row_boxes("|a|b|", "|---|---|", "|1|2 3|", "|4|5|")
    places = TablePlaces(boxes, "\n".join(box.text for box in boxes), 1)
    assert places.boxes_of("|a|b|\n|---|---|\n|1|2|") == boxes


def test_the_first_row_of_a_part_may_repeat_the_text_of_a_cell_above():
    boxes = row_boxes("|a|b|", "|---|---|", "|north|1|", "||2|", "||3|")
    places = TablePlaces(boxes, "\n".join(box.text for box in boxes), 1)
    assert places.boxes_of("|a|b|\n|---|---|\n|north|1|") == boxes[:3]
    assert places.boxes_of("|a|b|\n|---|---|\n|north|2|\n||3|") == [*boxes[:2], *boxes[3:]]


def test_titles_of_the_page_before_have_no_box():
    boxes = row_boxes("|north|1|", "|south|2|")
    places = TablePlaces(boxes, "\n".join(["|a|b|", "|---|---|", *(box.text for box in boxes)]), 1)
    assert places.boxes_of("|a|b|\n|---|---|\n|north|1|") == boxes[:1]
    assert places.boxes_of("|a|b|\n|---|---|\n|south|2|") == boxes[1:]


def test_letters_that_became_others_are_counted_as_they_are_now():
    boxes = row_boxes("the \ufb03ne o\ufb03ce of the", "keeper at the light-", "house")
    text = "the ffine office of the keeper at the lighthouse"
    places = TextPlaces(boxes, text)
    middle, end = text.index("keeper"), text.index("house")
    assert places.boxes_between(0, middle) == boxes[:1]
    assert places.boxes_between(middle, end) == boxes[1:2]
    assert places.boxes_between(end, len(text)) == boxes[2:]
    assert places.boxes_between(middle - 4, len(text)) == boxes
    assert places.boxes_between(-5, middle) == boxes[:1]


def test_boxes_are_few_and_take_little_room():
    boxes = [TextBox(14400.1 + row % 2, 3.3 * row, 14402.2, 3.3 * row + 1.1, "") for row in range(5000)]
    place = place_on((20000, 20000), boxes)
    assert 0 < len(place["boxes"]) <= MAX_BOXES
    assert len(json.dumps(place)) < MAX_BYTES


def test_text_without_a_place_says_so_and_text_that_nobody_placed_says_nothing():
    block = Block("The keeper climbs the tower at dusk.")
    places = [
        chunk.metadata
        for page in (Page(1, [block], size=NO_PAGE), Page(1, [block]))
        for chunk in chunk_pages([page], tokenizer_json(), ChunkSettings(60, 0))
    ]
    assert places == [{"place": {"boxes": []}}, {}]
