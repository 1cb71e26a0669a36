"""Listings of stores that write keys as they are, although XML cannot hold every character that a key may have.

boto3 asks for percent-encoded keys. A store that ignores this writes a control character, or its reference, and a
single such key would make the listing of its whole prefix unreadable. Therefore these characters are escaped before
boto3 parses a listing, and are put back afterwards. The percent-encoded keys are decoded here as well: botocore's own
handler gives up at a folder without a name.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_plus
from xml.parsers import expat

from ingest.store.answers import SENT_STATUS, UNREADABLE

_ESCAPE = "\U0010f8ff"
"""Begins an escaped character, whose code follows in six hexadecimal digits. It is itself escaped."""

_FORBIDDEN = "\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff"
"""Characters that XML 1.0 allows neither as they are nor as a reference (section 2.2)."""

_RAW = re.compile(f"[{_FORBIDDEN}{_ESCAPE}]")
_REFERENCE = re.compile(r"&#(?:x([0-9a-f]{1,6})|([0-9]{1,7}));", re.I)
_KEY = re.compile("<Key>[^<]*")
_ESCAPED = re.compile(f"{_ESCAPE}([0-9a-f]{{6}})")
_CONTROLS = bytes(range(9)) + bytes(range(0x0B, 0x20))
_CUT = {
    expat.errors.codes[text]
    for text in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
}
"""Errors of a parser at the end of text that goes on."""


def escape_keys(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Escape the body of a listing, for botocore's event `before-parse`."""
    response_dict["body"] = _escaped_body(response_dict["body"])
    customized_response_dict[SENT_STATUS] = response_dict["status_code"]


def decode_keys(parsed: dict[str, Any], http_response: Any, **_: Any) -> None:
    """Decode keys, for botocore's event `after-call`, or say why a listing is no XML.

    A folder without a name stands for none, and a listing that names its next page has one.

    Raises:
        ValueError: an entry of the listing is no object.
    """
    if "Error" in parsed:
        if parsed.get(SENT_STATUS) == 200 and (problem := _xml_problem(_escaped_body(http_response.content))):
            parsed[UNREADABLE] = problem
        return
    is_encoded = parsed.get("EncodingType") == "url"
    for item in parsed.get("Contents", ()):
        key = item.get("Key")
        if not key:
            raise ValueError("an entry of the listing has no key, or several")
        if is_encoded:
            key = item["Key"] = unquote_plus(key)
        if _ESCAPE in key:
            item["Key"] = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), key)
    parsed["CommonPrefixes"] = [folder for folder in parsed.get("CommonPrefixes", ()) if folder.get("Prefix") != ""]
    if parsed.get("IsTruncated") is None and parsed.get("NextContinuationToken"):
        parsed["IsTruncated"] = True


def _escaped_body(body: bytes) -> bytes:
    body = body.lstrip()  # an XML declaration stands first, or is an error
    if body.isascii() and b"&#" not in body and len(body.translate(None, _CONTROLS)) == len(body):
        return body  # nearly every listing, at a cost of microseconds
    text = _KEY.sub(_keep_carriage_returns, body.decode(errors="replace"))
    return _REFERENCE.sub(_escaped_reference, _RAW.sub(_escaped, text)).encode()


def _xml_problem(body: bytes) -> str:
    """Where a text ceases to be XML; "" if it is XML."""
    try:
        expat.ParserCreate("utf-8").Parse(body, True)
    except expat.ExpatError as error:
        lines = body.decode(errors="replace").split("\n")
        line, at = lines[min(error.lineno, len(lines)) - 1], error.offset
        if error.code in _CUT:
            return f"it is cut off behind {line[-60:]!r}"
        return f"it is not well-formed at {line[max(at - 40, 0) : at + 40]!r}"
    return ""


def _keep_carriage_returns(key: re.Match[str]) -> str:
    return key[0].replace("\r", "&#13;")  # an XML parser would make line feeds of them


def _escaped(character: re.Match[str]) -> str:
    return f"{_ESCAPE}{ord(character[0]):06x}"


def _escaped_reference(reference: re.Match[str]) -> str:
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    is_forbidden = code <= 0x10FFFF and _RAW.fullmatch(chr(code)) is not None
    return f"{_ESCAPE}{code:06x}" if is_forbidden else reference[0]
