"""OCR reads pages that are much longer than wide in stretches, and takes no more memory for them than for others."""

import numpy as np
import pymupdf
import pytest

from ingest.pdf.long_pages import MAX_OCR_SIDE, largest_scale, stretches
from ingest.pdf.ocr import _scale, ocr_page
from ingest.pdf.ocr_models import LONGEST_LINE, WIDTH_STEP, RapidModels

WORDS = ("harbour", "lantern", "compass", "anchor", "market", "garden", "window", "silver")


def image_of_lines(length, width=90, line=12, gap=8):
    """White, with grey lines across, and where these are."""
    image = np.full((length, width, 3), 255, np.uint8)
    starts = range(gap, length - line - gap, line + gap)
    for start in starts:
        image[start : start + line, 5:-5:2] = 60
    return image, [(start, start + line) for start in starts]


@pytest.mark.parametrize("across", [False, True])
def test_stretches_are_cut_between_lines(across):
    image, lines = image_of_lines(5300)
    image[:, 2] = 0  # the edge of the paper
    turned = image.transpose(1, 0, 2) if across else image
    parts = list(stretches(turned))
    places = [place[0 if across else 1] for _, place in parts]
    assert {place[1 if across else 0] for _, place in parts} == {0}
    assert np.array_equal(np.concatenate([part for part, _ in parts], 1 if across else 0), turned)
    assert max(max(part.shape) for part, _ in parts) <= MAX_OCR_SIDE
    assert len(parts) == 3 and not [place for place in places for start, end in lines if start < place < end]


def test_a_page_without_gaps_is_cut_anywhere():
    noise = np.random.default_rng(1).integers(0, 255, (4500, 40, 3), np.uint8)
    assert sum(len(part) for part, _ in stretches(noise)) == 4500


@pytest.mark.parametrize(
    ("sides", "pixels"), [((1191, 1684), 2000), ((300, 14_400), 32_000), ((2, 20_000), 32_000), ((0, 0), 2000)]
)
def test_no_page_has_more_pixels_than_opencv_takes(sides, pixels):
    assert round(largest_scale(*sides) * max(*sides, 1)) == pixels


def scanned(width, height, texts, size=10):
    """A page with words at places, as an image."""
    source = pymupdf.open().new_page(width=width, height=height)
    for place, text in texts:
        source.insert_text(place, text, fontsize=size)
    image = source.get_pixmap(dpi=150)
    page = pymupdf.open().new_page(width=width, height=height)
    page.insert_image(page.rect, pixmap=image)
    return page


def read(page):
    return " ".join(paragraph.text for paragraph in ocr_page(page)[0]).split()


@pytest.mark.tier("parts")
def test_a_receipt_is_read_from_top_to_bottom():
    expected = [word for _ in range(6) for word in WORDS]
    page = scanned(110, 26 * len(expected), [((20, 26 * row + 18), word) for row, word in enumerate(expected)])
    assert read(page) == expected


@pytest.mark.tier("parts")
def test_a_banner_is_read_from_left_to_right():
    expected = [word for _ in range(3) for word in WORDS]
    page = scanned(90 * len(expected), 40, [((90 * column + 5, 24), word) for column, word in enumerate(expected)])
    assert read(page) == expected


def test_a_page_that_rounding_makes_larger_is_not_cut():
    assert len(list(stretches(np.zeros((1400, MAX_OCR_SIDE + 1, 3), np.uint8)))) == 1


@pytest.mark.tier("parts")
@pytest.mark.parametrize(("size", "is_cut"), [(40, False), (10, True)])
def test_a_wide_page_is_cut_if_it_is_not_legible_as_a_whole(size, is_cut):
    """A cut may go through a word where lines of several columns are beside each other."""
    page = scanned(4000, 1000, [((40, 1.3 * size * row), " ".join(WORDS)) for row in range(1, 9)], size)
    assert (_scale(page) * 4000 > MAX_OCR_SIDE + 1) == is_cut
    assert read(page) == list(WORDS) * 8


@pytest.mark.tier("parts")
def test_the_time_limit_begins_anew_while_the_lines_of_a_page_are_read(monkeypatch):
    from ingest.pdf import ocr

    said = []
    monkeypatch.setattr(ocr, "report_progress", lambda: said.append("progress"))
    monkeypatch.setattr(ocr, "LENGTH_AT_ONCE", 5)
    page = scanned(200, 200, [((20, 36 * row + 18), word) for row, word in enumerate(WORDS[:5])])
    assert read(page) == list(WORDS[:5])
    assert len(said) >= 4  # after the detection, and after 2, 4 and 5 lines, each of which is 3 to 5 times its height


@pytest.mark.tier("parts")
@pytest.mark.parametrize("sides", [(4, 2000), (2000, 4), (20, 1900)])
def test_a_strip_takes_no_more_memory_than_a_page(sides, input_shapes):
    found = RapidModels().detect(np.random.default_rng(1).integers(0, 255, (*sides, 3), np.uint8))
    [(_, _, height, width)] = input_shapes
    assert height * width <= MAX_OCR_SIDE**2
    if found is not None:
        assert (found.max((0, 1)) <= (sides[1], sides[0])).all()


@pytest.mark.tier("parts")
def test_a_rule_is_not_taken_for_a_line_of_any_length(input_shapes):
    RapidModels().recognise([np.zeros((1, 2000, 3), np.uint8)])
    assert input_shapes[0][3] <= LONGEST_LINE + WIDTH_STEP
