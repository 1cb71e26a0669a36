"""Remove secrets from texts that go to a person, a log or the ledger.

Libraries put whole URLs and headers into their errors, and nobody knows all the places where they do. Therefore every
outgoing text is searched for all known secrets: the values of the environment's secret variables, and the credentials
in URLs. It is searched for every form in which an error quotes a value: as a literal, in a URL, in JSON, in a header.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote

HIDDEN = "***"

TOKEN_NAME_VARIABLE = "MILVUS_TOKEN_VARIABLE"
"""The environment variable with the name of the one that holds the token of Milvus, for clusters with several."""

_SECRET_NAME = re.compile(
    r"SECRET|PASSWORD|PASSWD|CREDENTIAL|TOKEN(?!IZ)|(API|PRIVATE|ACCESS|ACCOUNT)_?KEY(?!_ID)", re.I
)
_NO_SECRET_NAME = re.compile(r"(_FILE|_PATH|_DIR|_URI|_URL|_MODE|_VARIABLE)$", re.I)
_SHORTEST = 6
"""Minimum length of a secret value in characters: a shorter one would hide common words, and is no secret."""

_SHORTEST_IN_URI = 4
"""The same for the credentials in a URI."""
_URI_NAME = re.compile(r"_(URI|URL|ENDPOINT|ADDRESS)(_S3)?$", re.I)
_URL_USER = re.compile(r"(?<=//)[^/@\s'\"]+@")
_SIGNED = re.compile(r"\b(X-Amz-(?:Signature|Credential|Security-Token)|Signature|AWSAccessKeyId|sig)=[^&\s'\"]+", re.I)


_hidden: set[str] = set()


def hide_credentials(uri: str) -> None:
    """Hide the user name and password of a URI, even of a malformed one, in every text from now on."""
    _hidden.update(_credentials(uri))


def _credentials(uri: str) -> set[str]:
    """The part of a URI before its last `@`, whole and from its first colon on: a password may hold any character."""
    before, at, _ = uri.rpartition("@")
    whole = before.partition("://")[2] or before
    password = whole.partition(":")[2]
    # In pieces too: a library that cannot parse such a URI quotes the piece that it stumbled over.
    pieces = [piece for piece in re.split(r"[:/@#?]", password) if len(piece) >= _SHORTEST]
    return {part for part in (whole, password, *pieces) if at and len(part) >= _SHORTEST_IN_URI}


@lru_cache
def _forms(secret: str) -> frozenset[str]:
    """A secret, each of its lines, and the forms in which they are quoted."""
    # A log has lines, and the messages of errors have single spaces instead of line breaks.
    pieces = {secret, secret.strip(), " ".join(secret.split()), *(line.strip() for line in secret.splitlines())}
    found = set(pieces)
    for piece in filter(None, pieces):
        encoded = piece.encode(errors="surrogateescape")
        in_url = {quote(encoded), quote(encoded, safe=""), quote_plus(encoded)}
        found |= in_url | {re.sub("%..", lambda escape: escape[0].lower(), form) for form in in_url}
        found |= {
            repr(piece)[1:-1], repr(encoded)[2:-1], ascii(piece)[1:-1], json.dumps(piece)[1:-1], html.escape(piece),
            unquote(piece), base64.b64encode(encoded).decode(),
            "".join(c if c.isprintable() else ascii(c)[1:-1] for c in piece),
        }  # fmt: skip
    return frozenset(form for form in found if len(form) >= min(_SHORTEST, len(secret)))


def secrets() -> list[str]:
    """All secret values of this process and their forms, the longest first."""
    found = set(_hidden)
    named = os.environ.get(TOKEN_NAME_VARIABLE)
    for name, value in os.environ.items():
        if name == named or (_SECRET_NAME.search(name) and not _NO_SECRET_NAME.search(name)):
            # MILVUS_TOKEN is `user:password`, and a server may quote only the password.
            halves = {half for half in value.split(":") if len(half) > len("Milvus")}
            found |= {part for part in (value, *halves) if len(part) >= _SHORTEST}
        elif _URI_NAME.search(name):
            found |= _credentials(value)
    return sorted({form for secret in found for form in _forms(secret)}, key=lambda value: -len(value))


def redact(text: str) -> str:
    """The text with every secret replaced by `HIDDEN`."""
    for secret in secrets():
        text = text.replace(secret, HIDDEN)
    return _SIGNED.sub(rf"\1={HIDDEN}", _URL_USER.sub(f"{HIDDEN}@", text))
