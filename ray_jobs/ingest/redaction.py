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

_URL_USER = re.compile(r"(?<=//)[^/@\s'\"]+@")
_SIGNED = re.compile(r"\b(X-Amz-(?:Signature|Credential|Security-Token)|Signature|AWSAccessKeyId|sig)=[^&\s'\"]+", re.I)


def secrets() -> list[str]:
    """The values that are secret in this process's environment, the longest first."""
    found = set()
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name) and not _NO_SECRET_NAME.search(name):
            # MILVUS_TOKEN is `user:password`, and a server may quote the password alone.
            found |= {value, *(half for half in value.split(":") if len(half) > len("Milvus"))}
    return sorted((value for value in found if len(value) >= _SHORTEST), key=lambda value: -len(value))


def redact(text: str) -> str:
    """The text with `HIDDEN` in the place of every secret."""
    for secret in secrets():
        text = text.replace(secret, HIDDEN)
    return _SIGNED.sub(rf"\1={HIDDEN}", _URL_USER.sub(f"{HIDDEN}@", text))
