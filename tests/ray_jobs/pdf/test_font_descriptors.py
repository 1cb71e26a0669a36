"""Chinese, Japanese and Korean text is read also where its font has no descriptor, as old producers wrote it."""

import pymupdf
import pytest

from ingest.pdf.document import parse_pdf


@pytest.mark.parametrize(
    ("ordering", "encoding", "codec", "text"),
    [
        ("Japan1", "90ms-RKSJ-H", "cp932", "灯台の記録"),
        ("GB1", "GBK-EUC-H", "gbk", "灯塔记录"),
        ("CNS1", "ETen-B5-H", "big5", "燈塔記錄"),
        ("Korea1", "KSCms-UHC-H", "cp949", "등대기록"),
    ],
)
def test_text_in_a_font_without_a_descriptor_is_read(ordering, encoding, codec, text):
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((60, 60), "x", fontname="helv")
        font = page.get_fonts()[0][0]
        system = f"<</Registry(Adobe)/Ordering({ordering})/Supplement 2>>"
        descendant = f"<</Type/Font/Subtype/CIDFontType2/BaseFont/Old/CIDSystemInfo{system}/DW 1000>>"
        document.update_object(
            font, f"<</Type/Font/Subtype/Type0/BaseFont/Old/Encoding/{encoding}/DescendantFonts[{descendant}]>>"
        )
        shown = f"BT /helv 14 Tf 60 700 Td <{text.encode(codec).hex()}> Tj ET"
        document.update_stream(page.get_contents()[0], shown.encode())
        [read], _, _ = parse_pdf(document.tobytes(), ocr=False)
    assert read.text == text
