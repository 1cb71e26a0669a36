"""Take secrets out of what a person, a log or the ledger will see.

Libraries put whole URLs and headers into their errors, and nobody knows all places where they do. So what is known to
be secret here is replaced in every text that leaves: the values of the environment's secret variables, and what URLs
carry.
"""

from __future__ import annotations

import os
import re

HIDDEN = "***"

_SECRET_NAME = re.compile(
    r"SECRET|PASSWORD|PASSWD|CREDENTIAL|TOKEN(?!IZ)|(API|PRIVATE|ACCESS|ACCOUNT)_?KEY(?!_ID)", re.I
)
_NO_SECRET_NAME = re.compile(r"(_FILE|_PATH|_DIR|_URI|_URL|_MODE)$", re.I)
_SHORTEST = 6
"""Characters of a value that is hidden: a shorter one would hide common words, and is no secret."""

_SHORTEST_IN_URI = 4
_URI_NAME = re.compile(r"_(URI|URL|ENDPOINT|ADDRESS)(_S3)?$", re.I)
_URL_USER = re.compile(r"(?<=//)[^/@\s'\"]+@")
_SIGNED = re.compile(r"\b(X-Amz-(?:Signature|Credential|Security-Token)|Signature|AWSAccessKeyId|sig)=[^&\s'\"]+", re.I)


_hidden: set[str] = set()


def hide(uri: str) -> None:
    """Hide the user name and password of a URI in every text from now on, however odd the URI is."""
    _hidden.update(_credentials(uri))


def _credentials(uri: str) -> set[str]:
    """What is before the last `@` of a URI, whole and from its first colon on: a password may hold any character."""
    before, at, _ = uri.rpartition("@")
    whole = before.partition("://")[2] or before
    password = whole.partition(":")[2]
    # In pieces too: whoever fails to read such a URI quotes the piece that it stumbled over.
    pieces = [piece for piece in re.split(r"[:/@#?]", password) if len(piece) >= _SHORTEST]
    return {part for part in (whole, password, *pieces) if at and len(part) >= _SHORTEST_IN_URI}


def secrets() -> list[str]:
    """The values that are secret in this process, the longest first."""
    found = set(_hidden)
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name) and not _NO_SECRET_NAME.search(name):
            # MILVUS_TOKEN is `user:password`, and a server may quote the password alone.
            halves = {half for half in value.split(":") if len(half) > len("Milvus")}
            found |= {part for part in (value, *halves) if len(part) >= _SHORTEST}
        elif _URI_NAME.search(name):
            found |= _credentials(value)
    return sorted(found, key=lambda value: -len(value))


def redact(text: str) -> str:
    """The text with `HIDDEN` in the place of every secret."""
    for secret in secrets():
        text = text.replace(secret, HIDDEN)
    return _SIGNED.sub(rf"\1={HIDDEN}", _URL_USER.sub(f"{HIDDEN}@", text))
