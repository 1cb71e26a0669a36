"""Lines that OCR has found: which of them are one, and in which order they are read."""

import numpy as np
import pytest

from ingest.pdf.layout import Line
from ingest.pdf.ocr_lines import levelled, paragraphs_of

HEIGHT, PITCH = 12, 10
"""Points: boxes of OCR have a margin, so that those of neighbours overlap."""


def line(x0, x1, y0, text):
    return Line(x0, y0, x1, y0 + HEIGHT, text, HEIGHT, False)


def texts(lines):
    return [paragraph.text for paragraph in paragraphs_of(lines)]


def column(x0, x1, y0, name, count=5):
    return [line(x0, x1, y0 + PITCH * number, f"{name}{number}") for number in range(count)]


@pytest.mark.parametrize("shift", [0, 3])
def test_columns_with_a_narrow_gutter_are_read_one_after_the_other(shift):
    left, right = column(80, 298, 50, "left"), column(308, 520, 50 + shift, "right")
    assert texts([*left, *right]) == [" ".join(part.text for part in side) for side in (left, right)]


def test_the_short_last_line_of_a_column_belongs_to_it():
    left, right = column(80, 298, 50, "left"), column(308, 520, 50, "right", 4)
    lines = [*left, *right, line(308, 350, 50 + 4 * PITCH, "end")]
    assert texts(lines)[1] == "right0 right1 right2 right3 end"


def test_the_pieces_of_a_line_that_the_detector_split_are_joined():
    whole = column(80, 520, 50, "line")
    pieces = [line(80, 250, 100, "first"), line(260, 520, 100, "second")]
    assert texts([*whole, *pieces]) == ["line0 line1 line2 line3 line4 first second"]


def test_a_number_is_joined_with_its_item_below_lines_of_full_length():
    lines = column(80, 520, 50, "line")
    for number in range(4):
        lines += [line(80, 90, 110 + PITCH * number, f"{number}."), line(98, 520, 110 + PITCH * number, "item")]
    assert " ".join(texts(lines)).endswith("0. item 1. item 2. item 3. item")


def corners(x0, x1, y0, degrees):
    """Of a line about the origin, on a page that is skewed."""
    flat = np.array([(x0, y0), (x1, y0), (x1, y0 + HEIGHT), (x0, y0 + HEIGHT)], np.float32)
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (flat @ np.array([[cosine, sine], [-sine, cosine]])).astype(np.float32)


@pytest.mark.parametrize("degrees", [-5, -0.5, 2])
def test_the_lines_of_a_skewed_scan_become_level(degrees):
    lines = [(-200, 200, PITCH * number) for number in range(5)] + [(-200, 20, 5 * PITCH)]
    found, slant = levelled(np.stack([corners(*each, degrees) for each in lines]))
    assert slant.degrees == pytest.approx(degrees, abs=0.01)
    heights = found[:, :, 1].max(1) - found[:, :, 1].min(1)
    assert heights == pytest.approx(HEIGHT, abs=0.1)
    assert np.diff(found[:, 0, 1]) == pytest.approx(PITCH, abs=0.1)


@pytest.mark.parametrize("degrees", [0.1, 30, 90])
def test_other_slants_are_no_mishap_of_scanning(degrees):
    lines = np.stack([corners(-200, 200, PITCH * number, degrees) for number in range(5)])
    found, slant = levelled(lines)
    assert found is lines and slant is None


def test_the_slant_of_words_is_not_that_of_their_page():
    words = np.stack([corners(-200 + 60 * number, -160 + 60 * number, 0, 2) for number in range(5)])
    found, slant = levelled(words)
    assert found is words and slant is None


def test_the_boxes_of_a_skewed_scan_hold_its_lines_as_they_are_shown():
    shown = np.stack([corners(-200, 200, PITCH * number, 3) for number in range(5)])
    level, slant = levelled(shown)
    lines = [Line(*box[0], *box[2], "text", HEIGHT, False) for box in level]
    [paragraph] = slant.paragraphs(paragraphs_of(lines))
    for box, found in zip(shown, paragraph.lines, strict=True):
        assert found[:4] == pytest.approx([*box.min(0), *box.max(0)], abs=0.1)
    assert (paragraph.x0, paragraph.y1) == pytest.approx((shown[:, :, 0].min(), shown[:, :, 1].max()), abs=0.1)
