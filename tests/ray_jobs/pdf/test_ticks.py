"""A ticked box or radio button shows in the text of a form, and one that is not ticked does not."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf

CHECK_BOX, RADIO = "/FT/Btn", "/FT/Btn/Ff 32768"
SYMBOLS = "/Type/Font/Subtype/Type1/BaseFont/ZapfDingbats"


def form(drawings, states, kind=CHECK_BOX, font=SYMBOLS):
    """A form with buttons that are drawn by `drawings` for "on" and for "off", each with further entries."""
    with pymupdf.open() as document:
        page = document.new_page()
        symbols = add(document, f"<<{font}>>")
        on, off = (drawn(document, symbols, drawing) for drawing in drawings)
        buttons = []
        for index, state in enumerate(states):
            y = 700 - 22 * index
            page.insert_text((112, 842 - y - 2), f"Berth {index + 1}", fontsize=11)
            buttons.append(
                add(
                    document,
                    f"<</Type/Annot/Subtype/Widget{kind}/T(b{index})/F 4/Rect[90 {y} 102 {y + 12}]{state}"
                    f"/AP<</N<</Yes {on} 0 R/Off {off} 0 R>>>>>>",
                )
            )
        fields = " ".join(f"{button} 0 R" for button in buttons)
        document.xref_set_key(page.xref, "Annots", f"[{fields}]")
        document.xref_set_key(document.pdf_catalog(), "AcroForm", f"<</Fields[{fields}]>>")
        [page], _, _ = parse_pdf(document.tobytes(), ocr=False)
        return " ".join(page.text.split())


def add(document, written):
    number = document.get_new_xref()
    document.update_object(number, written)
    return number


def drawn(document, font, drawing):
    number = add(document, f"<</Type/XObject/Subtype/Form/BBox[0 0 12 12]/Resources<</Font<</ZaDb {font} 0 R>>>>>>")
    document.update_stream(number, drawing.encode())
    return number


FRAME = "0.5 0.5 11 11 re S "
SHOWN = "BT /ZaDb 10 Tf 2 2.5 Td ({}) Tj ET"
ON, OFF = "/AS/Yes/V/Yes", "/AS/Off/V/Off"


@pytest.mark.parametrize("kind", [CHECK_BOX, RADIO])
@pytest.mark.parametrize(
    "font",
    [
        SYMBOLS,
        SYMBOLS + "/Encoding/WinAnsiEncoding",
        SYMBOLS + "/Encoding<</Type/Encoding/Differences[52/a20 108/a71 110/a73 117/a78]>>",
        SYMBOLS.replace("/Zapf", "/ABCDEF+Zapf"),
    ],
)
@pytest.mark.parametrize("code", "4lnu")
def test_a_ticked_button_shows_whatever_its_font(code, font, kind):
    found = form((FRAME + SHOWN.format(code), FRAME), [ON, OFF, ON], kind, font)
    assert found == "✓ Berth 1 Berth 2 ✓ Berth 3"


def test_a_cross_stays_a_cross():
    assert form((FRAME + SHOWN.format("8"), FRAME), [ON, OFF]) == "✗ Berth 1 Berth 2"


@pytest.mark.parametrize("kind", [CHECK_BOX, RADIO])
def test_a_tick_that_is_drawn_with_lines_shows(kind):
    assert form((FRAME + "2 2 m 10 10 l S", FRAME), [OFF, ON], kind) == "Berth 1 ✓ Berth 2"


def test_a_symbol_of_an_empty_button_is_no_tick():
    assert form((SHOWN.format("l"), SHOWN.format("m")), [OFF, ON]) == "Berth 1 ✓ Berth 2"


def test_the_value_tells_where_the_state_is_missing():
    assert form((FRAME + SHOWN.format("4"), FRAME), ["/V/Yes", "/V/Off", ""]) == "✓ Berth 1 Berth 2 Berth 3"


def test_a_hidden_button_does_not_show():
    assert form((FRAME + SHOWN.format("4"), FRAME), [ON + "/F 2", ON]).endswith("✓ Berth 2")


@pytest.mark.parametrize(("codes", "marks"), [("4", "✓"), ("8", "✗"), ("o", "☐"), ("l", "•"), ("A", "•"), ("Y", "•")])
def test_symbols_on_the_page_itself_keep_their_meaning(codes, marks):
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((70, 100), "nets are mended", fontsize=11)
        page.insert_text((50, 300), "x", fontname="cour")
        of_symbols = next(number for number, _, _, name, *_ in page.get_fonts() if name == "Courier")
        document.update_object(of_symbols, f"<<{SYMBOLS}>>")
        document.update_stream(
            page.get_contents()[0],
            f"BT /cour 12 Tf 50 700 Td ({codes}) Tj /helv 12 Tf 20 0 Td (nets are mended) Tj ET".encode(),
        )
        for contents in page.get_contents()[1:]:
            document.update_stream(contents, b" ")
        [page], _, _ = parse_pdf(document.tobytes(), ocr=False)
        assert page.text == f"{marks} nets are mended"
