"""Decides whether contents are shown that depend on several layers: MuPDF does not read all such conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ingest.pdf.memory import check_memory

if TYPE_CHECKING:
    from pymupdf import Document

MAX_DEPTH = 20
"""Depth up to which an expression of layers is read."""


def settle_memberships(document: Document) -> None:
    """Replace the condition of each membership dictionary (ISO 32000-1, 8.11.2.2) by its result."""
    import pymupdf

    mupdf = pymupdf.mupdf
    try:
        if document.xref_get_key(document.pdf_catalog(), "OCProperties")[0] == "null":
            return
        config = document.get_layer(-1)
        base = config.get("basestate") != "OFF"
        shown = {
            number: number in config.get("on", ()) if not base else number not in config.get("off", ())
            for number in document.get_ocgs()
        }
        members = [
            number for number in range(1, document.xref_length()) if document.xref_get_key(number, "Type")[1] == "/OCMD"
        ]
        hidden = next((number for number, state in shown.items() if not state), 0)
        for number in members:
            member = mupdf.pdf_new_indirect(pymupdf._as_pdf_document(document), number, 0)
            visible = _is_visible(mupdf, member, shown)
            if not (visible or hidden):  # without a layer that is off, MuPDF is right
                continue
            document.update_object(number, "<</Type/OCMD>>" if visible else f"<</Type/OCMD/OCGs {hidden} 0 R>>")
    except Exception as error:  # broken layers are shown
        check_memory(error)


def _is_visible(mupdf: Any, member: Any, shown: Mapping[int, bool]) -> bool:
    expression = mupdf.pdf_dict_gets(member, "VE")
    if mupdf.pdf_is_array(expression):
        return _value(mupdf, expression, shown)
    layers = mupdf.pdf_dict_gets(member, "OCGs")
    found = _items(mupdf, layers) if mupdf.pdf_is_array(layers) else [layers]
    states = [shown[number] for number in map(mupdf.pdf_to_num, found) if number in shown]
    policy = mupdf.pdf_to_name(mupdf.pdf_dict_gets(member, "P"))
    if not states:
        return True
    if policy in ("AllOn", "AnyOff"):
        return all(states) is (policy == "AllOn")
    return any(states) is not (policy == "AllOff")


def _value(mupdf: Any, expression: Any, shown: Mapping[int, bool], depth: int = 0) -> bool:
    """Return the value of an expression: a layer, or an array of an operator and its operands."""
    if not mupdf.pdf_is_array(expression) or depth > MAX_DEPTH:
        return shown.get(mupdf.pdf_to_num(expression), True)
    operator, *operands = _items(mupdf, expression)
    values = [_value(mupdf, operand, shown, depth + 1) for operand in operands]
    match mupdf.pdf_to_name(operator):
        case "Not":
            return not any(values)
        case "Or":
            return any(values)
        case _:
            return all(values)


def _items(mupdf: Any, array: Any) -> Sequence[Any]:
    return [mupdf.pdf_array_get(array, index) for index in range(mupdf.pdf_array_len(array))]
