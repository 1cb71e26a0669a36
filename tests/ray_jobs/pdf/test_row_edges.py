"""Rows of tables without rules whose cells have several lines, also those of the first column."""

import pymupdf
import pytest

from read_pdfs import texts_of

WIDTH = 320
RULES = [
    (["Who must", "register"],
     "Every keeper of bees must register the hives before the first of April in any year. This also holds for hives "
     "that stand on a roof, in a courtyard or on ground that is rented from the council."),
    (["Fees"],
     "The fee is twelve crowns for each apiary and year, and schools pay nothing if they name a person who answers."),
    (["Inspection", "visits"],
     "An inspector visits each apiary once in two years and shows the keeper a letter from the council. The keeper "
     "opens the gate and shows the records of treatment."),
    (["How to pay"],
     "Pay at the office in Mill Street, by bank transfer, or with the slip that is enclosed, with its number on it."),
    (["Penalties"],
     "Whoever does not register pays double the fee, and is not free to sell honey at the market for one whole year."),
]  # fmt: skip
WHOLE = [[" ".join(head), text] for head, text in RULES]


def wrapped(text):
    """The lines of a text in a column."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if pymupdf.get_text_length(longer, fontsize=10) > WIDTH:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def pieces(gap, rules=RULES):
    """The lines of the two columns: (x, y, text)."""
    heads, sentences, y = [], [], 160
    for head, text in rules:
        lines = wrapped(text)
        heads += [(60, y + 14 * number, line) for number, line in enumerate(head)]
        sentences += [(150, y + 14 * number, line) for number, line in enumerate(lines)]
        y += 14 * max(len(head), len(lines)) + gap
    return heads, sentences


def rows(parts, ruled=False):
    with pymupdf.open() as document:
        page = document.new_page()
        for x, y, text in parts:
            page.insert_text((x, y), text, fontsize=10)
        if ruled:
            for y in (120, 145, max(y for _, y, _ in parts) + 10):
                page.draw_line((60, y), (500, y))
            page.insert_text((60, 135), "Subject", fontsize=10)
            page.insert_text((150, 135), "Rule", fontsize=10)
        shown = "\n".join(texts_of(document, ocr=False)).split("\n")
    table = [line[1:-1].split("|") for line in shown if line.startswith("|")]
    return [row for row in table if row not in (["Subject", "Rule"], ["---", "---"])]


@pytest.mark.parametrize("gap", [0, 6, 18])
@pytest.mark.parametrize("first", ["headings", "sentences"])
def test_a_heading_of_two_lines_begins_one_row(first, gap):
    heads, sentences = pieces(gap)
    assert rows(heads + sentences if first == "headings" else sentences + heads) == WHOLE


@pytest.mark.parametrize("gap", [0, 10])
def test_so_it_does_between_rules(gap):
    heads, sentences = pieces(gap)
    assert rows(heads + sentences, ruled=True) == WHOLE


def test_a_heading_may_have_more_lines_than_its_sentence():
    heads, sentences = pieces(10, [*RULES, (["Loss of", "rights"], "Ask the office.")])
    assert rows(heads + sentences) == [*WHOLE, ["Loss of rights", "Ask the office."]]


def test_a_sentence_may_end_where_the_second_line_of_its_heading_begins():
    text = (
        "Every keeper of bees must register them in spring and in autumn. Keepers of hives on roofs are no exception."
    )
    assert wrapped(text)[0].endswith(".")
    heads, sentences = pieces(10, [(["Who must", "register"], text), *RULES[1:]])
    assert rows(heads + sentences) == [["Who must register", text], *WHOLE[1:]]


def test_rows_of_short_texts_that_stand_in_groups_stay_rows():
    things = [
        ["Rope", "Repair of boat and mast"],
        ["Lamp", "New glass for the lamp"],
        ["Oil", "Oil for the winter"],
    ]
    parts = [
        (x, 160 + 14 * place + 20 * (place // 3), things[place % 3][column])
        for column, x in enumerate((60, 150))
        for place in range(9)
    ]
    assert rows(parts) == things * 3
