"""Contents that depend on several layers are read where a viewer shows them."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf


@pytest.mark.parametrize(
    ("condition", "shown"),
    [
        ("/OCGs[{on} {off}]", True),
        ("/OCGs[{on} {off}]/P/AllOn", False),
        ("/OCGs[{on} {off}]/P/AnyOff", True),
        ("/OCGs[{on} {off}]/P/AllOff", False),
        ("/OCGs {off}", False),
        ("/OCGs[]/P/AllOn", True),
        ("/OCGs {on}/VE[/Not {on}]", False),
        ("/OCGs {on}/VE[/And {on} [/Or {off} [/Not {off}]]]", True),
        ("/OCGs {on}/VE[/And {on} {off}]", False),
    ],
)
def test_a_condition_on_layers_decides_what_is_read(condition, shown):
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 100), "always", fontname="helv")
        on, off = document.add_ocg("on"), document.add_ocg("off", on=False)
        member = document.get_new_xref()
        document.update_object(member, f"<</Type/OCMD{condition.format(on=f'{on} 0 R', off=f'{off} 0 R')}>>")
        [(font, *_)] = page.get_fonts()
        resources = f"<</Font<</helv {font} 0 R>>/Properties<</M {member} 0 R>>>>"
        document.xref_set_key(page.xref, "Resources", resources)
        contents = page.get_contents()[0]
        text = document.xref_stream(contents) + b"/OC /M BDC BT /helv 11 Tf 50 500 Td (sometimes) Tj ET EMC"
        document.update_stream(contents, text)
        [page], _, _ = parse_pdf(document.tobytes(), ocr=False)
    assert page.text.split() == (["always", "sometimes"] if shown else ["always"])


def test_a_broken_condition_shows_its_contents():
    with pymupdf.open() as document:
        document.new_page().insert_text((50, 100), "always")
        document.add_ocg("on")
        member = document.get_new_xref()
        document.update_object(member, "<</Type/OCMD/OCGs 7/VE 3/P[1]>>")
        [page], _, metadata = parse_pdf(document.tobytes(), ocr=False)
    assert (page.text, metadata.get("partly_read")) == ("always", None)
