"""Tables without rules that are drawn column by column come in rows; columns of prose and lists stay columns."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf


def drawn(columns, places, pitch=14, title="", below=""):
    """The texts of a page whose columns are drawn one after the other; a cell may have several lines."""
    with pymupdf.open() as document:
        page = document.new_page()
        if title:
            page.insert_text((50, 60), title, fontsize=14)
        for column, x in zip(columns, places, strict=True):
            for row, cell in enumerate(column):
                for number, line in enumerate(cell.split("\n")):
                    page.insert_text((x, 100 + pitch * row + 12 * number), line, fontsize=10)
        if below:
            page.insert_text((50, 140 + pitch * len(columns[0])), below, fontsize=10)
        [page], _, _ = parse_pdf(document.tobytes(), ocr=False)
        return [block.text for block in page.blocks]


def rows(text):
    return [line[1:-1].split("|") for line in text.split("\n") if not line.startswith("|---")]


HOSTS = ["HOST", "AFGL", "AMES-67", "CCA", "CMU-10A"]
LIAISONS = ["LIAISON", "Stephen Barnes", "Wayne Hathaway", "David Kramer", "Howard Wactlar"]
PHONES = ["TELEPHONE", "(617) 861-3671", "(415) 965-6033", "(617) 491-3670", "(412) 578-2567"]


def test_a_table_drawn_by_columns_comes_in_rows_between_the_text_around_it():
    found = drawn([HOSTS, LIAISONS, PHONES], (50, 200, 400), title="Directory", below="Corrections to the office.")
    assert (found[0], found[2]) == ("Directory", "Corrections to the office.")
    assert rows(found[1]) == [list(row) for row in zip(HOSTS, LIAISONS, PHONES, strict=True)]


def test_an_empty_cell_and_a_title_over_the_numbers_alone_keep_their_columns():
    found = drawn([["", *HOSTS[1:]], ["Count", "3", "", "14", "15"], PHONES], (50, 200, 300))
    assert rows(found[0])[:3] == [["", "Count", "TELEPHONE"], ["AFGL", "3", PHONES[1]], ["AMES-67", "", PHONES[2]]]


def test_the_lines_of_a_cell_are_one_cell():
    notes = ["Note", *(f"The rope of boat {n} is\nused for mooring" for n in range(4))]
    found = drawn([HOSTS, PHONES, notes], (50, 150, 300), pitch=30)
    assert rows(found[0])[1] == ["AFGL", PHONES[1], "The rope of boat 0 is used for mooring"]


PROSE = [
    "The keeper climbs the tower every", "evening before the sun goes down", "and lights the great lamp. Ships",
    "far out at sea look for the light", "and know that the harbour is near.", "When fog comes in from the north",
]  # fmt: skip


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param([PROSE, [f"{line[3:]} at {n}" for n, line in enumerate(PROSE)]], id="prose"),
        pytest.param([PROSE, ["Fig. 1", "A lamp", "B sea", "C boat", "D fog", "E 12"]], id="prose beside a figure"),
        pytest.param(
            [["abacus, 12", "acorn, 3", "boat, 71", "cello, 5"], ["cherry, 81", "dove, 90", "duck, 9", "elm, 31"]],
            id="index",
        ),
        pytest.param([LIAISONS[1:], ["Theodora Noe", "Kathy Moore", "Ray Tomlin", "Ida Irwin"]], id="list of names"),
        pytest.param(
            [["Head office", "12 Harbour Road", "Leeds LS1 4AA", "hq@a.org"],
             ["Branch", "4 Mill Lane", "Dover CT1 7PP", "br@a.org"]],
            id="addresses",
        ),
    ],
)  # fmt: skip
def test_columns_of_prose_and_lists_stay_columns(columns):
    found = " ".join(drawn(columns, (50, 300)))
    assert "|" not in found
    places = [found.index(cell) for column in columns for cell in column]
    assert places == sorted(places)
