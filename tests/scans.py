"""Files that only OCR can read."""

import pymupdf

PAGES = 3


def scan(number):
    """A file whose pages only OCR can read; the last one is upside down."""
    with pymupdf.open() as made:
        for page_number in range(PAGES):
            with pymupdf.open() as source:
                page = source.new_page(width=400, height=300)
                text = (
                    f"Book {number}, page {page_number}: the keeper of the lighthouse counts the ships of the morning. "
                )
                page.insert_textbox(pymupdf.Rect(20, 20, 380, 280), text * 3, fontsize=12)
                if page_number == PAGES - 1:
                    page.set_rotation(180)
                image = page.get_pixmap(dpi=150)
            made.new_page(width=400, height=300).insert_image(pymupdf.Rect(0, 0, 400, 300), pixmap=image)
        return made.tobytes()
