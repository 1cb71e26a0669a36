"""Finds the pages of a PDF whose page tree is damaged or states a wrong number of pages.

MuPDF believes the number in the root of the tree. Other readers follow the tree itself, and so does this module. If no
page hangs on the tree, it looks for pages among all objects, as the repair functions of other readers do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ingest.pdf.memory import check_memory

if TYPE_CHECKING:
    from pymupdf import Document


_OBJECT = re.compile(rb"\b(\d{1,7})\s+\d{1,5}\s+obj\b")


def mend_page_tree(document: Document, data: bytes | memoryview) -> str:
    """Give a document the pages that its tree has, in one flat tree if the original one is wrong.

    Returns:
        A clause that says which pages are missing; "" if the document has all the pages that it states.
    """
    import pymupdf

    try:
        return _mend(pymupdf.mupdf, pymupdf._as_pdf_document(document), data)
    except Exception as error:  # the tree stays as it is, and MuPDF says what is wrong with it
        check_memory(error)
        return ""


def _mend(mupdf: Any, pdf: Any, data: bytes | memoryview) -> str:
    root = mupdf.pdf_dict_gets(mupdf.pdf_dict_gets(mupdf.pdf_trailer(pdf), "Root"), "Pages")
    stated = mupdf.pdf_to_int(mupdf.pdf_dict_gets(root, "Count"))
    entries = _leaves(mupdf, root)
    pages = [page for page in entries if page is not None]
    tree_lost = not pages
    if tree_lost:
        pages = entries = _stray_pages(mupdf, pdf, data)
    if not pages:
        return ""
    if len(entries) != stated:
        entries = pages
    if tree_lost or len(pages) != stated or not mupdf.pdf_is_array(_kids(mupdf, root)):
        _plant(mupdf, pdf, entries)
    if tree_lost:
        return "its page tree is damaged, and pages may be missing"
    if stated > len(pages):
        return f"it states that it has {stated} pages, but only {len(pages)} could be found"
    return ""


def _leaves(mupdf: Any, root: Any) -> list[Any]:
    """Return the pages below a node in order, with None in place of an entry that is neither page nor node."""
    pages: list[Any] = []
    visited: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        kids = _kids(mupdf, node)
        number = mupdf.pdf_to_num(node)
        if mupdf.pdf_is_array(kids) and number not in visited:
            if number:
                visited.add(number)
            waiting += [mupdf.pdf_array_get(kids, index) for index in reversed(range(mupdf.pdf_array_len(kids)))]
        elif mupdf.pdf_is_dict(kids) and number not in visited:  # a single kid without its array
            visited.add(number)
            waiting.append(kids)
        else:
            pages.append(node if _is_page(mupdf, node) else None)
    return pages


def _kids(mupdf: Any, node: Any) -> Any:
    return mupdf.pdf_dict_gets(node, "Kids")


def _is_page(mupdf: Any, node: Any) -> bool:
    if mupdf.pdf_is_array(_kids(mupdf, node)):  # a cycle
        return False
    kind = mupdf.pdf_to_name(mupdf.pdf_dict_gets(node, "Type"))
    if kind != "Pages" and mupdf.pdf_is_dict(node):
        return kind == "Page" or any(
            not mupdf.pdf_is_null(mupdf.pdf_dict_gets(node, key)) for key in ("Contents", "MediaBox", "Parent")
        )
    return False


def _stray_pages(mupdf: Any, pdf: Any, data: bytes | memoryview) -> list[Any]:
    """Return the pages among all objects in the order of the file; those in object streams, by number, come last."""
    places = {int(match[1]): match.start() for match in _OBJECT.finditer(data)}
    found: list[tuple[int, int, Any]] = []
    for number in range(1, mupdf.pdf_xref_len(pdf)):
        try:
            node = mupdf.pdf_new_indirect(pdf, number, 0)
            if mupdf.pdf_to_name(mupdf.pdf_dict_gets(node, "Type")) == "Page":
                found.append((places.get(number, len(data)), number, node))
        except Exception as error:  # the object is damaged
            check_memory(error)
    return [node for *_, node in sorted(found, key=lambda page: page[:2])]


def _plant(mupdf: Any, pdf: Any, pages: list[Any]) -> None:
    """Make the pages the children of one new node, with a blank page for None: page numbers stay as they are.

    The pages inherit from their old parents, which they still name.
    """
    kids = mupdf.pdf_new_array(pdf, len(pages))
    for page in pages:
        if page is None:
            page = mupdf.pdf_new_dict(pdf, 1)
            mupdf.pdf_dict_puts(page, "Type", mupdf.pdf_new_name("Page"))
        mupdf.pdf_array_push(kids, page if mupdf.pdf_is_indirect(page) else mupdf.pdf_add_object(pdf, page))
    node = mupdf.pdf_new_dict(pdf, 3)
    mupdf.pdf_dict_puts(node, "Type", mupdf.pdf_new_name("Pages"))
    mupdf.pdf_dict_puts(node, "Kids", kids)
    mupdf.pdf_dict_puts(node, "Count", mupdf.pdf_new_int(len(pages)))
    tree = mupdf.pdf_add_object(pdf, node)
    catalog = mupdf.pdf_dict_gets(mupdf.pdf_trailer(pdf), "Root")
    if not mupdf.pdf_is_dict(catalog):
        catalog = mupdf.pdf_add_object(pdf, mupdf.pdf_new_dict(pdf, 2))
        mupdf.pdf_dict_puts(mupdf.pdf_trailer(pdf), "Root", catalog)
    mupdf.pdf_dict_puts(catalog, "Pages", tree)
