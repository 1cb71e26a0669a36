"""Lines of print across a whole page are read as they stand, upright or upside down."""

import numpy as np
import pymupdf
import pytest

from ingest.pdf import ocr

WORDS = "harbour master shall keep a register of all vessels and the dues that they have paid in the course of a year "
LINES = [f"{WORDS[start:]}{WORDS}{WORDS}"[:76] for start in range(0, 80, 4)]


@pytest.fixture(scope="module")
def lines():
    """Images of lines that are 27 times as wide as high, as OCR cuts them out of a page."""
    with pymupdf.open() as document:
        page = document.new_page(width=612, height=792)
        rows = [(90 + 24 * number, line) for number, line in enumerate(LINES)]
        for y, line in rows:
            page.insert_text((100, y), line, fontsize=12)
        image = ocr._render(page, ocr.DPI / 72)
    boxes = np.array([(98, y - 11, 102 + pymupdf.get_text_length(line, fontsize=12), y + 4) for y, line in rows])
    return [image[y0:y1, x0:x1] for x0, y0, x1, y1 in (boxes * ocr.DPI / 72).round().astype(int)]


@pytest.mark.parametrize("label", ["0", "180"])
def test_a_wide_line_is_upright_or_upside_down_as_it_is(label, lines):
    engine = ocr._engine()
    for line in lines:
        shown = np.ascontiguousarray(line if label == "0" else line[::-1, ::-1])
        ((found, score),) = engine(shown, use_det=False, use_cls=True, use_rec=False).cls_res
        assert (found, score > 0.9) == (label, True)
