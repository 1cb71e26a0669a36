"""Reads answers of object stores whose elements are empty, missing, doubled or no numbers, where botocore gives up.

What an answer does not say, or says in two ways, is None; whether that matters is decided where it is needed.
"""

from __future__ import annotations

from base64 import b64decode
from http.client import responses
from typing import Any

from botocore.exceptions import CredentialRetrievalError
from botocore.httpchecksum import StreamingChecksumBody
from botocore.parsers import ResponseParserError, ResponseParserFactory, RestXMLParser

from ingest.common.text import one_line

_SENSELESS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What botocore raises on elements that it does not expect, beside its own ResponseParserError."""


class OddAnswerParsers(ResponseParserFactory):
    """The component `response_parser_factory` of a session of botocore's."""

    def create_parser(self, protocol_name: str) -> Any:
        if protocol_name == "rest-xml":
            return _StoreParser(**self._defaults)
        return _Guarded(super().create_parser(protocol_name))


class _Guarded:
    """The parser of another service, which hands out the credentials of a role."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser

    def parse(self, response: dict[str, Any], shape: Any) -> Any:
        try:
            return self._parser.parse(response, shape)
        except (*_SENSELESS, ResponseParserError) as error:
            problem = f"its answer makes no sense: {type(error).__name__}: {one_line(error, 100)}"
            raise CredentialRetrievalError(provider="service", error_msg=problem) from None


class _StoreParser(RestXMLParser):
    def parse(self, response: dict[str, Any], shape: Any) -> Any:
        body = response["body"]
        if isinstance(body, StreamingChecksumBody) and not _is_of_content(body, response["headers"]):
            body._expected = None  # botocore compares nothing then
        return super().parse(response, shape)

    def _parse_shape(self, shape: Any, node: Any) -> Any:
        kind = shape.type_name
        if kind in ("structure", "map"):
            return super()._parse_shape(shape, node)
        if kind == "list":
            is_one = shape.serialization.get("flattened") and not isinstance(node, list)  # and else holds its items
            return super()._parse_shape(shape, [item for item in ([node] if is_one else node) if not _is_empty(item)])
        if kind == "boolean":
            return _truth(node)
        try:
            return super()._parse_shape(shape, _agreed(node) if isinstance(node, list) else node)
        except _SENSELESS:
            return None

    def _do_error_parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        try:
            parsed: dict[str, Any] = super()._do_error_parse(response, shape)
        except _SENSELESS:
            parsed = {}
        found = parsed.get("Error")
        error = {name: text for name, text in found.items() if isinstance(text, str)} if isinstance(found, dict) else {}
        if not error.get("Code"):
            error["Code"] = str(response["status_code"])
        if not error.get("Message"):
            error["Message"] = responses.get(response["status_code"], "")
        return {**parsed, "Error": error}


def _is_of_content(body: Any, headers: Any) -> bool:
    """Whether the checksum in an answer can be that of its content, and not of its parts, in hexadecimal, or none.

    Amazon adds the number of parts to the checksum of parts; not all stores do.
    """
    if str(headers.get("x-amz-checksum-type", "")).strip().upper() == "COMPOSITE":
        return False
    try:
        return len(b64decode(body._expected, validate=True)) == len(body.checksum.digest())
    except ValueError:
        return False


def _is_empty(node: Any) -> bool:
    """Whether an element holds nothing: stores whose programs write a list that is empty as one empty element."""
    return hasattr(node, "text") and not len(node) and not (node.text or "").strip()


def _texts(node: Any) -> list[str]:
    """The texts of an element or a header, or of several elements of one name."""
    nodes = node if isinstance(node, list) else [node]
    return [(getattr(item, "text", item) or "").strip() for item in nodes]


def _agreed(nodes: list[Any]) -> Any:
    """One of several elements that say the same, or nothing. Raises ValueError if they say different things."""
    said = {text for text in _texts(nodes) if text}
    if len(said) > 1:
        raise ValueError
    return next((node for node in nodes if (node.text or "").strip()), nodes[0])


def _truth(node: Any) -> bool | None:
    """True if one of the elements says so; Python's stores write `True`."""
    said = {text.lower() for text in _texts(node)}
    if said & {"true", "1"}:
        return True
    return False if said & {"false", "0"} else None
