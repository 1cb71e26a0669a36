"""Line numbers in the margin are no part of the text; columns of tables and numbers of lists are."""

import re

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf
from ingest.pdf.layout import Line, paragraph_of
from ingest.pdf.line_numbers import LineNumbers
from ingest.pdf.structure import RawPage

PROSE = (
    "The keeper of the northern light writes into the log that the brass lens was polished at dawn by hand, and that a "
    "pilot cutter anchored at noon. Two barrels of paraffin were landed by the tender Marigold on the spring tide. "
)
CHINESE = "港口主管应当保存一份登记册，记载本年度内所有船舶以及它们已经缴纳的费用，并在年底之前向委员会报告全部情况。"
LEFT, TOP, LEADING, SIZE = 108, 110, 20, 12


def wrapped(text, width):
    lines = [""]
    for word in (text * 60).split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def document_of(pages, order="first", gap=20, right=False):
    """A PDF of pages, which are lists of (number or None, text), one for each line.

    order: whether the numbers are drawn first, before each line, after it, or last.
    gap: between a number and the text, in points.
    """
    document = pymupdf.open()
    for rows in pages:
        page = document.new_page(width=612, height=792)
        numbers, texts = [], []
        for place, (number, text) in enumerate(rows):
            y = TOP + LEADING * place
            x = 540 + gap if right else LEFT - gap - pymupdf.get_text_length(str(number), fontsize=SIZE)
            numbers.append((x, y, "" if number is None else str(number)))
            texts.append((LEFT, y, text))
        drawn = {
            "first": numbers + texts,
            "before": [item for row in zip(numbers, texts, strict=True) for item in row],
            "after": [item for row in zip(texts, numbers, strict=True) for item in row],
            "last": texts + numbers,
        }[order]
        for x, y, text in drawn:
            page.insert_text((x, y), text, fontsize=SIZE, fontname="china-s" if text > "\u3000" else "helv")
    return document.tobytes()


def pages_of(lines, count=3, per_page=28, number=lambda place, page: place + 1):
    return [
        [(number(place, page), lines[page * per_page + place]) for place in range(per_page)] for page in range(count)
    ]


def text_of(data):
    return "\n".join(page.text for page in parse_pdf(data, ocr=False)[0])


def numbers_in(text):
    return re.findall(r"\d+", text)


LINES = wrapped(PROSE, 72)


@pytest.mark.parametrize("order", ["first", "before", "after", "last"])
@pytest.mark.parametrize(
    "number",
    [
        lambda place, page: place + 1,
        lambda place, page: page * 28 + place + 1,
        lambda place, page: place + 1 if (place + 1) % 5 == 0 else None,
        lambda place, page: page * 28 + place + 1 if (page * 28 + place + 1) % 5 == 0 else None,
    ],
    ids=["each page", "through", "every fifth", "every fifth through"],
)
def test_line_numbers_beside_prose_are_dropped(order, number):
    text = text_of(document_of(pages_of(LINES, number=number), order))
    assert numbers_in(text) == []
    assert " ".join(text.split()) == " ".join(LINES[: 3 * 28])


@pytest.mark.parametrize("gap", [12, 30, 50])
@pytest.mark.parametrize("right", [False, True], ids=["left", "right"])
def test_the_margin_may_be_wide_and_on_either_side(gap, right):
    assert numbers_in(text_of(document_of(pages_of(LINES), gap=gap, right=right))) == []


def test_pleading_paper_has_numbers_beside_blank_lines_and_a_caption_on_its_first_page():
    pages = pages_of(LINES)
    caption = ["Ada Brook, attorney", "", "", "SUPERIOR COURT", "", "Plaintiff,", "v.", "Defendant."]
    pages[0] = [(place + 1, caption[place] if place < len(caption) else "") for place in range(28)]
    pages[2] = [(number, text if number < 12 else "") for number, text in pages[2]]
    text = text_of(document_of(pages))
    assert numbers_in(text) == []
    assert "SUPERIOR COURT" in text


def test_the_last_lines_of_a_manuscript_are_fewer_than_ten():
    pages = pages_of(LINES, number=lambda place, page: page * 28 + place + 1)
    pages[2] = pages[2][:3]
    assert numbers_in(text_of(document_of(pages))) == []


def test_line_numbers_beside_chinese_prose_are_dropped():
    lines = [(CHINESE * 80)[start : start + 35] for start in range(0, 3000, 35)]
    assert numbers_in(text_of(document_of(pages_of(lines)))) == []


@pytest.mark.parametrize("kind", ["ocr", "text"])
def test_line_numbers_of_scanned_pages_are_dropped_when_all_pages_are_read(kind):
    def scanned(number, rows):
        numbers, texts = [], []
        for place, (count, text) in enumerate(rows):
            y = TOP + LEADING * place + place % 3  # boxes of OCR are not exact
            numbers.append(Line(88, y, 94 + place % 2, y + 12, str(count), 12 + place % 3, False))
            texts.append(Line(LEFT, y, LEFT + 5.5 * len(text), y + 13, text, 13, False))
        return RawPage(number, 792, kind, [paragraph_of(numbers), paragraph_of(texts)])

    pages = [scanned(number, rows) for number, rows in enumerate(pages_of(LINES), 1)]
    with pymupdf.open() as document:
        LineNumbers(document).remove_from_scans(pages)
    kept = [line.text for page in pages for paragraph in page.paragraphs for line in paragraph.lines]
    assert [text for text in kept if not text.isdigit()] == LINES[: 3 * 28]
    assert len(kept) == (3 if kind == "ocr" else 6) * 28


def test_numbers_within_the_text_stay():
    lines = [line.replace("Two", "12").replace("noon", "1845") for line in LINES]
    text = text_of(document_of(pages_of(lines)))
    assert set(numbers_in(text)) == {"12", "1845"}


KEPT = {
    "one page": pages_of(LINES, count=1),
    "list of words": pages_of([f"lantern {chr(97 + place % 26)}" for place in range(84)]),
    "list of sentences": pages_of([f"Ship {'x' * (40 + place % 9)} was seen off the cape" for place in range(84)]),
    "contents": pages_of([f"Chapter {chr(65 + place % 26)} {'.' * 60}" for place in range(84)]),
    "no numbers in turn": pages_of(LINES, number=lambda place, page: (place * 7) % 28 + 1),
    "few": pages_of(LINES, per_page=8),
    "years": pages_of(LINES, count=1, number=lambda place, page: 1990 + place),
    "other beginnings": pages_of(LINES, number=lambda place, page: 100 * page + 40 + place),
}


@pytest.mark.parametrize("pages", KEPT.values(), ids=KEPT)
@pytest.mark.parametrize("order", ["first", "before"])
def test_numbers_of_lists_and_single_pages_are_kept(pages, order):
    expected = sorted(str(number) for rows in pages for number, _ in rows)
    assert sorted(numbers_in(text_of(document_of(pages, order)))) == expected


@pytest.mark.parametrize("label", ["mole", "Pier"])
def test_the_numbers_of_a_table_are_kept(label):
    document = pymupdf.open()
    for _ in range(3):
        page = document.new_page(width=612, height=792)
        for place in range(28):
            y = TOP + LEADING * place
            for x, text in [(80, str(place + 1)), (LEFT, label), (300, "open at noon"), (520, "12.5")]:
                page.insert_text((x, y), text, fontsize=SIZE)
    found = numbers_in(text_of(document.tobytes()))
    assert [number for number in found if number not in ("12", "5")].count("28") == 3
    assert len(found) == 3 * 28 * 3
