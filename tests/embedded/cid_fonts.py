"""PDFs with a font of any codes, texts and widths, which is not embedded: what readers see of a producer's glyphs."""

from collections.abc import Mapping

DESCRIPTOR = "<</Type/FontDescriptor/FontName/Body/Flags 4/FontBBox[0 -200 1000 800]/Ascent 800/Descent -200>>"
INFO = "<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"


def pdf_with_cid_font(texts: Mapping[int, str], widths: str, contents: str) -> bytes:
    """A PDF of one page.

    Args:
        texts: by code, as the font's ToUnicode table has them.
        widths: of the glyphs, as entries of the font's dictionary, such as `/DW 500`.
        contents: operators of the page, in which the font is `/F0`, with codes of two bytes.
    """
    import pymupdf

    entries = "\n".join(f"<{code:04x}> <{text.encode('utf-16-be').hex()}>" for code, text in texts.items())
    table = f"1 begincodespacerange <0000> <ffff> endcodespacerange {len(texts)} beginbfchar\n{entries}\nendbfchar"
    with pymupdf.open() as document:
        page = document.new_page()
        descriptor, descendant, unicode, font, stream = (document.get_new_xref() for _ in range(5))
        document.update_object(descriptor, DESCRIPTOR)
        document.update_object(
            descendant,
            f"<</Type/Font/Subtype/CIDFontType2/BaseFont/Body/CIDSystemInfo{INFO}{widths}"
            f"/FontDescriptor {descriptor} 0 R>>",
        )
        document.update_object(
            font,
            "<</Type/Font/Subtype/Type0/BaseFont/Body/Encoding/Identity-H"
            f"/DescendantFonts[{descendant} 0 R]/ToUnicode {unicode} 0 R>>",
        )
        for number, content in ((unicode, table), (stream, contents)):
            document.update_object(number, "<<>>")
            document.update_stream(number, content.encode())
        document.xref_set_key(page.xref, "Resources", f"<</Font<</F0 {font} 0 R>>>>")
        document.xref_set_key(page.xref, "Contents", f"{stream} 0 R")
        data: bytes = document.tobytes()
        return data
