"""Recognises a bucket that is not written as `s3://bucket/prefix/`: as an ARN, a URL of Amazon's, or a bare name."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlsplit

_ARN = re.compile(r"arn:aws[\w-]*:s3:::([\w.-]+)(?:/(.*))?", re.DOTALL)
_VIRTUAL = re.compile(r"([\w.-]+)\.s3(?:[.-][\w-]+)?\.amazonaws\.com(?:\.cn)?")
_PATH = re.compile(r"s3(?:[.-][\w-]+)?\.amazonaws\.com(?:\.cn)?")
_CONSOLE = re.compile(r"(?:[\w-]+\.)*console\.(?:aws\.amazon\.com|amazonaws\.cn)")
_CONSOLE_PATH = re.compile(r"/s3/(?:buckets|object)/([\w.-]+)(?:/(.*))?")
_BARE = re.compile(r"[a-z0-9][a-z0-9.-]{2,62}(?:/.*)?")


def suggested(source: str) -> str:
    """The `s3://` URI that a source may stand for; "" if there is none."""
    if found := _ARN.fullmatch(source):
        return _uri(found[1], (found[2] or "").removesuffix("*"))
    if source.startswith(("https://", "http://")):
        return _of_url(source)
    return _uri(*source.partition("/")[::2]) if _BARE.fullmatch(source) else ""


def _of_url(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host, path = parts.hostname or "", unquote(parts.path)
    if _CONSOLE.fullmatch(host) and (found := _CONSOLE_PATH.fullmatch(path)):
        return _uri(found[1], parse_qs(parts.query).get("prefix", [found[2] or ""])[0])
    if found := _VIRTUAL.fullmatch(host):
        return _uri(found[1], path.lstrip("/"))
    return _uri(*path.lstrip("/").partition("/")[::2]) if _PATH.fullmatch(host) and path.strip("/") else ""


def _uri(bucket: str, prefix: str) -> str:
    return f"s3://{bucket}/{prefix}"
