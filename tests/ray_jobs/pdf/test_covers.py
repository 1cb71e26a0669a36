"""PDFs whose pages are only a cover: forms in XFA, portfolios, and wrappers of encrypted documents."""

import pymupdf
import pytest

from ingest.common.errors import ObjectError
from ingest.pdf.document import parse_pdf
from ingest.pdf.places import NO_PAGE

NOTICE = "Please wait... If this message is not eventually replaced with the contents, your viewer cannot show it."
COVER = "For the best experience, open this PDF portfolio in Acrobat X or Adobe Reader X, or later."
TEMPLATE = """<template xmlns="http://www.xfa.org/schema/xfa-template/3.0/"><subform name="form1">
<draw><value><text>Application for a mooring</text></value></draw>
<draw><value><exData contentType="text/html"><body xmlns="http://www.w3.org/1999/xhtml"><p>Use</p><p>block letters</p>
</body></exData></value></draw>
<field name="surname"><caption><value><text>Family name</text></value></caption><ui><textEdit/></ui></field>
<field name="boat"><caption><value><text>Boat</text></value></caption></field></subform></template>"""
DATA = """<xfa:datasets xmlns:xfa="http://www.xfa.org/schema/xfa-data/1.0/"><xfa:data>
<form1><surname>Lighthill</surname><boat>Marigold</boat><boat>Sea Fern</boat><pier>east</pier></form1>
</xfa:data></xfa:datasets>"""


def form(text=NOTICE, template=TEMPLATE, data=DATA, entries="/NeedsRendering true", fields="[]", whole=False):
    """A form in XFA: `whole` puts it into one stream, otherwise it is split into packets."""
    with pymupdf.open() as document:
        document.new_page().insert_text((20, 100), text, fontsize=9)
        parts = ['<xdp:xdp xmlns:xdp="http://ns.adobe.com/xdp/">', template, data, "</xdp:xdp>"]
        streams = []
        for part in ["".join(parts)] if whole else parts:
            xref = document.get_new_xref()
            document.update_object(xref, "<<>>")
            document.update_stream(xref, part.encode())
            streams.append(f"{xref} 0 R")
        xfa = streams[0] if whole else f"[{' '.join(f'(x) {stream}' for stream in streams)}]"
        catalog = document.pdf_catalog()
        document.xref_set_key(catalog, "AcroForm", f"<< /Fields {fields} /XFA {xfa} >>")
        for entry in [entry for entry in entries.split("/") if entry]:
            document.xref_set_key(catalog, *entry.split())
        return document.tobytes()


def portfolio(files, cover=COVER, collection=True, relation=""):
    with pymupdf.open() as document:
        document.new_page().insert_text((20, 100), cover, fontsize=9)
        for name, content in files.items():
            document.embfile_add(name, content, filename=name)
        if collection:
            document.xref_set_key(document.pdf_catalog(), "Collection", "<< /View /T >>")
        data = document.tobytes(no_new_id=True)
    return (
        data.replace(b"/Type/Filespec", b"/AFRelationship/%s/Type/Filespec" % relation.encode()) if relation else data
    )


def letter(*words, **save):
    with pymupdf.open() as document:
        for word in words:
            document.new_page().insert_text((72, 100), word)
        return document.tobytes(**save)


def read(data):
    pages, _, metadata = parse_pdf(data, 100, ocr=False)
    return [(page.number, page.text) for page in pages], metadata.get("partly_read", "")


def failure(data):
    with pytest.raises(ObjectError) as caught:
        read(data)
    return caught.value


@pytest.mark.parametrize("whole", [False, True])
def test_a_dynamic_form_is_read_from_its_xml(whole):
    ((page,), lost) = read(form(whole=whole))
    assert parse_pdf(form(whole=whole))[0][0].size == NO_PAGE
    assert page[1].split("\n\n") == [
        "Application for a mooring",
        "Use block letters",
        "Family name: Lighthill",
        "Boat: Marigold",
        "Boat: Sea Fern",
        "pier: east",
    ]
    assert lost == ""


@pytest.mark.parametrize(
    "notice", [NOTICE, "Bitte warten. http://www.adobe.com/go/reader_download"], ids=["english", "german"]
)
def test_a_form_is_recognised_by_its_notice(notice):
    ((page,), _) = read(form(notice, entries="", fields="[3 0 R]"))
    assert "Lighthill" in page[1]


def test_a_form_with_pages_of_its_own_is_read_as_it_is_shown():
    assert read(form("The page of the form", entries="", fields="[3 0 R]")) == ([(1, "The page of the form")], "")


def test_a_form_without_text_says_so():
    pages, lost = read(form(template="<template/>", data=""))
    assert (pages, lost[:18]) == ([(1, "")], "no text was found ")


@pytest.mark.parametrize("data", [form(template="<template"), letter(NOTICE)], ids=["damaged", "without"])
def test_a_notice_without_its_form_is_a_placeholder(data):
    assert failure(data).failure == "Placeholder"


@pytest.mark.parametrize(
    "cover", [COVER, "Öffnen Sie dieses PDF-Portfolio in Acrobat X oder Adobe Reader X."], ids=["english", "german"]
)
def test_the_pdfs_of_a_portfolio_are_read(cover):
    data = portfolio({"a.pdf": letter("lantern", "anchor"), "b.pdf": letter("compass")}, cover)
    pages, _, metadata = parse_pdf(data, 100, ocr=False)
    assert [(page.number, page.blocks[0].headings, page.text) for page in pages] == [
        (1, ("a.pdf",), "lantern"),
        (2, ("a.pdf",), "anchor"),
        (1, ("b.pdf",), "compass"),
    ]
    assert "partly_read" not in metadata
    assert {page.size for page in pages} == {NO_PAGE}


def test_a_cover_with_contents_of_its_own_is_kept():
    pages, _ = read(portfolio({"a.pdf": letter("lantern")}, "Minutes of the board"))
    assert pages == [(1, "Minutes of the board"), (1, "lantern")]


def test_files_of_a_portfolio_that_cannot_be_read_are_named():
    locked = letter("secret", encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="reader", owner_pw="owner")
    pages, lost = read(portfolio({"a.pdf": letter("lantern"), "b.pdf": locked, "c.txt": b"hello"}))
    assert pages == [(1, "lantern")]
    assert "'b.pdf' in it was left out (the PDF needs a password)" in lost
    assert "'c.txt' in it was left out" in lost


@pytest.mark.parametrize("files", [{}, {"c.txt": b"hello"}], ids=["none", "no-pdf"])
def test_a_portfolio_without_pdfs_is_a_placeholder(files):
    assert failure(portfolio(files)).failure == "Placeholder"


def test_the_pages_of_a_portfolio_count_together():
    files = {f"{number}.pdf": letter(*["page"] * 40) for number in range(3)}
    assert failure(portfolio(files)).failure == "TooManyPages"


def test_the_attachment_of_a_letter_is_not_read():
    assert read(portfolio({"a.pdf": letter("lantern")}, "A letter", collection=False)) == ([(1, "A letter")], "")


def test_the_cover_of_an_encrypted_document_is_encrypted():
    data = portfolio({"Protected PDF.pdf": b"?"}, "This document is protected", relation="EncryptedPayload")
    assert failure(data).failure == "Encrypted"
