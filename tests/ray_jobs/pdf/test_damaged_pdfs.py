"""PDFs whose page tree, page count or contents are wrong, and files that are no PDFs: made here, object by object."""

import base64
import gzip
import io
import zipfile

import pymupdf
import pytest

from ingest.common.errors import ObjectError
from ingest.pdf.document import parse_pdf


def from_objects(objects, trailer=""):
    """A PDF of these objects, by number, with a right cross-reference table."""
    data = bytearray(b"%PDF-1.7\n")
    table = {}
    for number, body in objects.items():
        table[number] = len(data)
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body.encode())
    size = max(objects) + 1
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        data += b"%010d 00000 %c \n" % (table.get(number, 0), b"n" if number in table else b"f")
    data += b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer.encode(), start)
    return bytes(data)


def three_pages(count="/Count 3", kids="10 0 R 12 0 R 14 0 R", catalog="/Pages 2 0 R", page="/Type /Page", trailer=""):
    objects = {
        1: f"<< /Type /Catalog {catalog} >>",
        2: f"<< /Type /Pages /Kids [{kids}] {count} >>",
        3: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    }
    for number, word in ((10, "lantern"), (12, "anchor"), (14, "compass")):
        content = f"BT /F 18 Tf 72 700 Td ({word}) Tj ET"
        objects[number] = (
            f"<< {page} /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {number + 1} 0 R "
            "/Resources << /Font << /F 3 0 R >> >> >>"
        )
        objects[number + 1] = f"<< /Length {len(content)} >>\nstream\n{content}\nendstream"
    return from_objects(objects, trailer)


def read(data):
    """The words of the pages, and the sentence about what is lost."""
    pages, _, metadata = parse_pdf(data, 100, ocr=False)
    return [page.text for page in pages], metadata.get("partly_read", "")


def failure(data):
    with pytest.raises(ObjectError) as caught:
        parse_pdf(data, 100, ocr=False)
    return caught.value


WORDS = ["lantern", "anchor", "compass"]


@pytest.mark.parametrize(
    "count",
    ["", "/Count 0", "/Count 1", "/Count 3.0", "/Count -3", "/Count null", "/Count (3)"],
    ids=["missing", "zero", "small", "real", "negative", "null", "string"],
)
def test_pages_are_counted_along_the_tree(count):
    assert read(three_pages(count)) == (WORDS, "")


@pytest.mark.parametrize("count", [5, 1_000_000, 2_147_483_647])
def test_a_count_that_is_too_large_leaves_the_pages_that_are_there(count):
    words, lost = read(three_pages(f"/Count {count}"))
    assert words == WORDS
    assert lost == f"it states that it has {count} pages, but only 3 could be found"


@pytest.mark.parametrize("hole", ["null", "99 0 R", "2 0 R", "3 0 R"], ids=["null", "missing", "cycle", "font"])
def test_a_hole_in_the_tree_keeps_the_numbers_of_the_other_pages(hole):
    words, lost = read(three_pages("/Count 4", f"10 0 R {hole} 12 0 R 14 0 R"))
    assert words == ["lantern", "", "anchor", "compass"]
    assert lost == "it states that it has 4 pages, but only 3 could be found"


@pytest.mark.parametrize("page", ["", "/Type /Pagee"], ids=["without", "misspelt"])
def test_a_page_need_not_say_that_it_is_one(page):
    assert read(three_pages(page=page)) == (WORDS, "")


@pytest.mark.parametrize("catalog", ["", "/Pages 88 0 R", "/Pages 3 0 R"], ids=["none", "missing", "font"])
def test_pages_are_found_without_a_page_tree(catalog):
    assert read(three_pages(catalog=catalog)) == (WORDS, "its page tree is damaged, and pages may be missing")


def test_pages_are_found_without_a_catalog():
    data = three_pages().replace(b"/Root 1 0 R", b"/Root 88 0 R")
    assert read(data) == (WORDS, "its page tree is damaged, and pages may be missing")


def test_stray_pages_are_in_the_order_of_the_file():
    data = three_pages(catalog="").replace(b"10 0 obj", b"16 0 obj")  # as in a linearized file
    assert read(data[: data.index(b"xref")])[0] == WORDS


def written(pages=4):
    with pymupdf.open() as document:
        for number in range(1, pages + 1):
            document.new_page().insert_text((72, 100), f"Page {number} is about the lantern. " * 3)
        return document.tobytes(deflate=True)


def test_the_pages_before_the_cut_of_a_truncated_file_are_read():
    data = written()
    words, lost = read(data[: data.index(b"endstream", data.index(b"/Contents", len(data) // 2))])
    assert words[0].startswith("Page 1")
    assert "it states that it has 4 pages" in lost


@pytest.mark.parametrize("behind", [b"<</Type", b" 0 obj\n<<", b"/MediaBox[0 0"])
def test_a_file_that_is_cut_off_within_an_object_is_read_up_to_it(behind):
    with pymupdf.open() as document:
        for number in range(4):
            document.new_page().insert_text((50, 50), f"Minutes of meeting {number}")
        whole = document.tobytes()
    cut = whole.index(behind, len(whole) // 2) + len(behind)
    pages, _, metadata = parse_pdf(whole[:cut], ocr=False)
    assert [page.text for page in pages[:2]] == ["Minutes of meeting 0", "Minutes of meeting 1"]
    assert metadata["partly_read"].startswith("it is cut off in the middle of an object")


def test_a_page_with_damaged_contents_is_named():
    data = written()
    start = data.index(b"stream", len(data) // 2) + 8
    words, lost = read(data[:start] + b"\0" * 20 + data[start + 20 :])
    assert [bool(text) for text in words].count(False) == 1
    assert lost.startswith("1 of its 4 pages is damaged (")


def test_a_file_that_was_sent_as_text_is_damaged():
    assert failure(written().decode("latin-1").encode("utf-8")).failure == "Damaged"


def test_of_two_pdfs_in_one_file_the_last_is_read():
    words, lost = read(written(1) + three_pages())
    assert words == WORDS
    assert "several PDFs" in lost


@pytest.mark.parametrize(
    "data",
    [
        b"junk\r\n" * 1000 + three_pages(),
        b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n" + three_pages(),
        three_pages() + b"\0" * 5000,
        three_pages() + b"<html></html>",
        gzip.compress(three_pages()),
    ],
    ids=["junk-before", "http", "zeros-behind", "html-behind", "gzip"],
)
def test_junk_around_a_pdf_does_no_harm(data):
    assert read(data) == (WORDS, "")


def _zip(name):
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(name, "<x/>")
        return file.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "a web page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML document"),
        (b'{"error": "not found"}', "a JSON document"),
        (b"From: a@b.c\r\nSubject: your file\r\n\r\n" + base64.b64encode(three_pages()), "an e-mail"),
        (base64.encodebytes(three_pages()), "Base64 text"),
        (pymupdf.Pixmap(pymupdf.csRGB, (0, 0, 9, 9), False).tobytes("png"), "a PNG image"),
        (_zip("word/document.xml"), "an Office document"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "an old Office document"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
        (b"Dear Sir or Madam", "another kind of document"),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",
)
def test_a_file_that_is_no_pdf_is_called_by_its_kind(data, kind):
    error = failure(data)
    assert error.failure == "NotAPdf"
    assert error.message.startswith(f"this is {kind}")


@pytest.mark.parametrize("data", [bytes(4096), b" \n" * 50])
def test_a_file_of_zeros_or_white_space_is_empty(data):
    assert failure(data).failure == "Empty"


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        ("Adobe.PubSec", "encrypted for the holders of certain certificates"),
        ("FOPN_foweb", "locked by FileOpen's rights management"),
        ("EBX_HANDLER", "locked by Adobe's copy protection"),
        ("MicrosoftIRMServices", "locked by Microsoft's rights management"),
        ("Acme.Lock", "locked by Acme.Lock"),
    ],
)
def test_the_protection_of_a_pdf_is_named(handler, reason):
    error = failure(three_pages(trailer=f"/Encrypt << /Filter /{handler} /V 4 /R 4 >> /ID [<00> <00>]"))
    assert error.failure == "Encrypted"
    assert reason in error.message


@pytest.mark.parametrize("method", ["RC4_40", "RC4_128", "AES_128", "AES_256"])
def test_only_a_password_for_reading_locks_a_pdf(method):
    with pymupdf.open("pdf", three_pages()) as document:
        encryption = getattr(pymupdf, f"PDF_ENCRYPT_{method}")
        assert read(document.tobytes(encryption=encryption, owner_pw="owner", user_pw="")) == (WORDS, "")
        locked = failure(document.tobytes(encryption=encryption, owner_pw="owner", user_pw="reader"))
    assert (locked.failure, locked.problem) == ("Encrypted", "the PDF needs a password")


def test_a_password_for_the_attachments_alone_does_not_lock_the_pages():
    lock = (
        "/Encrypt << /Filter /Standard /V 5 /R 6 /Length 256 /P -4 /StmF /Identity /StrF /Identity /EFF /StdCF "
        "/CF << /StdCF << /AuthEvent /EFOpen /CFM /AESV3 /Length 32 >> >> "
        f"/O <{'11' * 48}> /U <{'22' * 48}> /OE <{'33' * 32}> /UE <{'44' * 32}> /Perms <{'55' * 16}> >> "
        "/ID [<00> <00>]"
    )
    assert read(three_pages(trailer=lock)) == (WORDS, "")


def test_a_pdf_that_shows_something_and_has_no_text_says_so():
    with pymupdf.open() as document:
        document.new_page().draw_circle((200, 200), 100)
        assert read(document.tobytes())[1] == "no text was found on its pages, and OCR is off"


def test_whether_a_page_of_any_size_is_blank_is_seen_in_an_image_of_bounded_size(monkeypatch):
    from ingest.pdf import document as module

    rendered, render = [], module.render

    def noted(page, **settings):
        rendered.append(render(page, **settings))
        return rendered[-1]

    monkeypatch.setattr(module, "render", noted)
    with pymupdf.open() as document:
        page = document.new_page(width=14_400, height=7200)
        document.xref_set_key(page.xref, "UserUnit", "20")
        page.draw_circle((200, 200), 100)
        assert read(document.tobytes())[1] == "no text was found on its pages, and OCR is off"
    assert [max(image.w, image.h) for image in rendered] == [module.INK_SIDE]


def test_a_blank_pdf_is_whole():
    with pymupdf.open() as document:
        document.new_page()
        assert read(document.tobytes()) == ([""], "")


@pytest.mark.parametrize("data", [b"", b"\x78\xda"], ids=["nothing", "header"])
def test_a_stream_without_data_is_no_damage(data):
    shown = b"BT /F 18 Tf 72 700 Td (lantern) Tj ET"
    for contents, text in (("5 0 R", ""), ("[5 0 R 6 0 R 5 0 R]", "lantern")):
        pdf = from_objects(
            {
                1: "<</Type/Catalog/Pages 2 0 R>>",
                2: "<</Type/Pages/Kids[3 0 R]/Count 1>>",
                3: f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {contents}"
                "/Resources<</Font<</F 4 0 R>>>>>>",
                4: "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
                5: f"<</Filter/FlateDecode/Length {len(data)}>>\nstream\n{'@' * len(data)}\nendstream",
                6: f"<</Length {len(shown)}>>\nstream\n{shown.decode()}\nendstream",
            }
        )
        assert read(pdf.replace(b"\n@@\n", b"\n" + data + b"\n")) == ([text], "")


def test_a_file_that_got_carriage_returns_on_its_way_is_whole():
    sent = written().replace(b"\n", b"\r\n")
    words, lost = read(sent)
    assert [text[:6] for text in words] == ["Page 1", "Page 2", "Page 3", "Page 4"]
    assert lost == ""


@pytest.mark.parametrize("end", [b"xref", b"startxref", b"0000000000 65535", b"/Parent"])
def test_of_a_revision_that_is_cut_off_the_whole_objects_are_read(end):
    first = three_pages()
    content = b"BT /F 18 Tf 72 700 Td (lighthouse) Tj ET"
    changed = b"11 0 obj\n<< /Length %d >>\nstream\n%s\nendstream\nendobj\n" % (len(content), content)
    changed += (
        b"12 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>\nendobj\n" if end == b"/Parent" else b""
    )
    table = b"xref\n11 1\n%010d 00000 n \n0000000000 65535 f \ntrailer\n<< /Size 16 /Root 1 0 R >>\nstartxref\n"
    revised = first + changed + table % len(first)
    words, lost = read(revised[: revised.index(end, len(first))])
    assert words == ["lighthouse", "anchor", "compass"]
    assert lost == "it is cut off, and only the whole objects before the cut are read"


def test_junk_behind_the_end_of_a_file_is_no_revision():
    assert read(three_pages() + b"\n<html>an object is 1 2 objects</html>") == (WORDS, "")
