"""The version of an object in an S3 store: its ETag, or its size and time where the store gives no usable ETag."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

MAX_BYTES = 128
"""Bytes of the field `version` in Milvus. A longer ETag is replaced by a digest."""

_MAX_SIZE = 2**63 - 1


def listed_version(item: Mapping[str, Any]) -> str:
    """The version of an entry of a listing. Some gateways list no ETag, an empty one, or a weak one (`W/"..."`)."""
    return _tag(item.get("ETag")) or _size_and_time(_size(item), item.get("LastModified"))


def listed_size(item: Mapping[str, Any]) -> int:
    """The size in an entry of a listing; 0 if the store lists none, or one that no object can have."""
    return _size(item) or 0


def condition(version: str) -> dict[str, str]:
    """The arguments with which `get_object` refuses to return another version; empty if the store cannot check it.

    If-Match never matches a weak ETag (RFC 9110, section 13.1.1).
    """
    if version.startswith(("W/", "sha256:")) or "@" in version:
        return {}
    return {"IfMatch": f'"{version}"'}


def is_version(version: str, answer: Mapping[str, Any]) -> bool:
    """Whether an answer of `get_object` has the version, as far as the answer tells."""
    if "@" in version:
        size, _, time = version.partition("@")
        length, modified = answer.get("ContentLength"), answer.get("LastModified")
        is_long = not size or length in (None, int(size))
        return is_long and (not time or modified is None or int(modified.timestamp()) == int(time))
    tag = _tag(answer.get("ETag"))
    return not tag or tag.removeprefix("W/") == version.removeprefix("W/")


def _size(item: Mapping[str, Any]) -> int | None:
    size: int | None = item.get("Size")
    return None if size is None or not 0 <= size <= _MAX_SIZE else size


def _tag(etag: str | None) -> str:
    """An ETag without quotes; a weak one begins with `W/`."""
    tag = (etag or "").strip()
    weak, value = ("W/" if tag[:2] in ("W/", "w/") else ""), tag.removeprefix("W/").removeprefix("w/").strip('"')
    version = f"{weak}{value}" if value else ""
    return version if len(version.encode()) <= MAX_BYTES else f"sha256:{hashlib.sha256(version.encode()).hexdigest()}"


def _size_and_time(size: int | None, modified: datetime | None) -> str:
    """Whole seconds, because an answer's header Last-Modified has no fractions."""
    return f"{'' if size is None else size}@{'' if modified is None else int(modified.timestamp())}"
