"""The ways to buckets that boto3 offers only to programs: without a signature, at the requester's cost, of a tenant.

The environment variables are those of GDAL, whose users read the same public data sets.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from ingest.common.environment import variable
from ingest.common.errors import ConfigurationError
from ingest.common.text import NOT_UTF8

# botocore accepts more bucket names than S3 does today (botocore.handlers.VALID_BUCKET). An access point stands in for
# a bucket; one of several regions names none. Ceph puts a tenant before it.
_URI = re.compile(
    r"s3://(arn:aws[\w-]*:s3[\w-]*:[\w-]*:\d{12}:(?:outpost[/:][\w-]+[/:])?accesspoint[/:][\w.-]{3,255}"
    r"|(?:\w*:)?[\w.-]{3,255})(?:/(.*))?",
    re.ASCII | re.DOTALL,
)

OTHER_STORES = {"gs", "gcs", "b2", "r2", "oss", "cos", "cosn", "obs", "tos", "minio", "swift", "http", "https"}
"""Schemes that other programs write for buckets of stores that have an S3 API, such as Google's."""

_VIRTUAL_HOSTS = (".aliyuncs.com", ".myqcloud.com", ".volces.com")
"""Clouds that refuse the bucket in the path. Other S3-compatible servers rarely have a DNS name for each bucket."""


def split_s3(uri: str) -> tuple[str, str]:
    """Bucket and key (or key prefix) of an `s3://` URI. The key is literal: it is not percent-decoded.

    Raises:
        ConfigurationError: the URI names no bucket.
    """
    if not (found := _URI.fullmatch(uri)) or NOT_UTF8.search(uri):
        shown = re.sub("//[^/]*@", "//***@", uri)
        if NOT_UTF8.search(uri):
            raise ConfigurationError(f"--source {shown!r} is not UTF-8, as the names of buckets and keys are")
        raise ConfigurationError(f"--source {shown!r} names no bucket; write s3://bucket/prefix/, without credentials")
    return found[1], found[2] or ""


def signature() -> Any:
    """The signature version for botocore: none if AWS_NO_SIGN_REQUEST is YES."""
    from botocore import UNSIGNED

    return UNSIGNED if variable("AWS_NO_SIGN_REQUEST").upper() in ("YES", "TRUE", "1") else None


def widen(client: Any) -> None:
    """Let a client of boto3 name buckets of tenants, and pay for requests if AWS_REQUEST_PAYER is `requester`."""
    from botocore.handlers import validate_bucket_name

    client.meta.events.unregister("before-parameter-build.s3", validate_bucket_name)
    if variable("AWS_REQUEST_PAYER").lower() == "requester":
        for operation in ("ListObjectsV2", "GetObject", "HeadObject", "GetObjectTagging"):
            client.meta.events.register(f"before-parameter-build.s3.{operation}", _pay)


def _pay(params: dict[str, Any], **_: object) -> None:
    params["RequestPayer"] = "requester"


def addressing(endpoint: str) -> str:
    """Where the bucket stands at an endpoint, as botocore calls it: in the host (`virtual`) or in the `path`."""
    return "virtual" if (urlsplit(endpoint).hostname or "").endswith(_VIRTUAL_HOSTS) else "path"
