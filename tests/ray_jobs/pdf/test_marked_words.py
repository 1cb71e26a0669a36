"""The box of a word covers its ink on the picture of its page: in a line, in a field of a form, in a row of a table."""

import numpy as np
import pymupdf
import pytest

from ingest.pdf.document import parse_pdf
from ingest.pdf.places import place_on
from ingest.search.hits import PageHit
from ingest.search.thumbnails import THUMBNAIL_SIDE, thumbnail
from ingest.store.local_files import file_version

INKS = {"Vermilion": (1, 0, 0), "Bramwell": (0, 0.7, 0), "Cobalt": (0, 0, 1)}
"""The words: in a line, in a field, in a row."""

MEDIA = pymupdf.Rect(20, 30, 420, 530)
BOXES = {  # CropBoxes, and what is visible, before the page is turned
    "whole": (None, MEDIA),
    "cropped": (pymupdf.Rect(40, 45, 400, 500), pymupdf.Rect(40, 45, 400, 500)),
    "larger": (pymupdf.Rect(-40, -10, 500, 600), MEDIA),
    "partly outside": (pymupdf.Rect(-40, 45, 400, 600), pymupdf.Rect(20, 45, 400, 530)),
}
LINES = ["The keeper climbs the tower at dusk, trims the wick", "and polishes the reflector before the lamp is lit."]
ROWS = [("Light", "Paint"), ("North", "White"), ("South", "Cobalt"), ("West", "Black"), ("East", "Grey")]
FIELD = pymupdf.Rect(140, 330, 260, 350)


def text(x, y, words):
    ink = " ".join(map(str, INKS.get(words, (0, 0, 0))))
    return f"BT /F 11 Tf {ink} rg {x} {y} Td ({words}) Tj ET\n"


def upright():
    """The contents of the page, as they are to be read, in points from the lower left corner."""
    drawn = [text(60, 470 - 14 * number, line) for number, line in enumerate([*LINES, "Vermilion"])]
    drawn.append(text(60, 336, "Keeper:"))
    for number, row in enumerate(ROWS):
        for column, cell in enumerate(row):
            x, y = 60 + 100 * column, 220 - 18 * number
            drawn.append(f"{x} {y} 100 18 re S\n{text(x + 5, y + 5, cell)}")
    return "".join(drawn)


def numbers(values):
    return " ".join(f"{value:g}" for value in values)


def sheet(rotation, unit, crop, turned):
    """A PDF of one page that viewers turn by `rotation`; if it is `turned`, its contents are upright then."""
    turn = pymupdf.Matrix(rotation if turned else 0)
    fonts = "/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"
    with pymupdf.open() as document:
        page = document.new_page()

        def stream(keys, content):
            number = document.get_new_xref()
            document.update_object(number, f"<<{keys}>>")
            document.update_stream(number, content.encode())
            return f"{number} 0 R"

        shown = stream(
            f"/Type/XObject/Subtype/Form/BBox[0 0 {FIELD.width:g} {FIELD.height:g}]/Matrix[{numbers(turn)}]{fonts}",
            text(4, 6, "Bramwell"),
        )
        field = document.get_new_xref()
        document.update_object(
            field,
            f"<</Type/Annot/Subtype/Widget/FT/Tx/T(keeper)/V(Bramwell)/F 4/Rect[{numbers(FIELD * turn)}]/DA(/F 11 Tf)"
            f"/MK<</R {rotation if turned else 0}>>/AP<</N {shown}>>>>",
        )
        keys = {
            "Contents": stream("", f"{numbers(turn)} cm\n{upright()}"),
            "Resources": fonts.removeprefix("/Resources"),
            "MediaBox": f"[{numbers(MEDIA * turn)}]",
            "CropBox": f"[{numbers(crop * turn)}]" if crop else "null",
            "Rotate": str(rotation),
            "UserUnit": str(unit),
            "Annots": f"[{field} 0 R]",
        }
        for key, value in keys.items():
            document.xref_set_key(page.xref, key, value)
        document.xref_set_key(document.pdf_catalog(), "AcroForm", f"<</Fields[{field} 0 R]/DA(/F 11 Tf)>>")
        return document.tobytes()


def ink(picture, word):
    """Where a picture has the ink of a word: x and y of its pixels, as shares of the width and the height."""
    pixels = np.asarray(picture, np.int16)
    own = int(np.argmax(INKS[word]))
    down, across = np.nonzero(pixels[:, :, own] - np.delete(pixels, own, axis=2).max(axis=2) > 60)
    return (across + 0.5) / pixels.shape[1], (down + 0.5) / pixels.shape[0]


def untouched(data):
    """The picture that MuPDF makes of the page of a file."""
    with pymupdf.open(stream=data) as document:
        pixels = document[0].get_pixmap(matrix=pymupdf.Matrix(0.8, 0.8), alpha=False)
        return np.frombuffer(pixels.samples, np.uint8).reshape(pixels.height, pixels.width, 3)


def assert_marked(data, path, size, pictures):
    path.write_bytes(data)
    [page], _, _ = parse_pdf(data, ocr=False)
    assert page.size == pytest.approx(size, abs=0.1)
    pictures = [thumbnail(PageHit(f"file://{path}", file_version(path.stat()), 1, "", 1.0)), *pictures]
    inks = [{word: ink(picture, word) for word in INKS} for picture in pictures]
    for word in INKS:
        blocks = [block for block in page.blocks if word in block.text]
        # A table that runs up or down has one box.
        [box] = [box for block in blocks for box in block.boxes if word in box.text or not box.text]
        [(x0, y0, x1, y1)] = place_on(page.size, [box])["boxes"]
        near = 1.5 / THUMBNAIL_SIDE  # as shares of the sides
        for other, (across, down) in (found for of_picture in inks for found in of_picture.items()):
            assert len(across) > 5, other
            inside = (
                (across >= x0 / size[0] - near) & (across <= x1 / size[0] + near)
                & (down >= y0 / size[1] - near) & (down <= y1 / size[1] + near)
            )  # fmt: skip
            assert inside.all() if other == word else not inside.any(), (word, other, box)


@pytest.mark.parametrize("unit", [1, 2])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize(("crop", "visible"), BOXES.values(), ids=BOXES)
def test_words_are_marked_on_every_kind_of_page(tmp_path, crop, visible, rotation, unit):
    data = sheet(rotation, unit, crop, True)
    pictures = [untouched(data)] if crop is None or crop == visible else []
    assert_marked(data, tmp_path / "page.pdf", (unit * visible.width, unit * visible.height), pictures)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_words_that_run_up_down_or_upside_down_are_marked_too(tmp_path, rotation):
    data = sheet(rotation, 1, None, False)
    size = (MEDIA.width, MEDIA.height) if rotation == 180 else (MEDIA.height, MEDIA.width)
    assert_marked(data, tmp_path / "page.pdf", size, [untouched(data)])
