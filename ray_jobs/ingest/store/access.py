"""The ways to buckets that boto3 offers only to programs: without a signature, at the requester's cost, of a tenant.

The environment variables are those of GDAL, whose users read the same public data sets.
"""

from __future__ import annotations

import re
from typing import Any

from ingest.common.environment import variable
from ingest.common.errors import ConfigurationError

# botocore accepts more bucket names than S3 does today (botocore.handlers.VALID_BUCKET). An access point stands in for
# a bucket; one of several regions names none. Ceph puts a tenant before it.
_URI = re.compile(
    r"s3://(arn:aws[\w-]*:s3[\w-]*:[\w-]*:\d{12}:(?:outpost[/:][\w-]+[/:])?accesspoint[/:][\w.-]{3,255}"
    r"|(?:\w*:)?[\w.-]{3,255})(?:/(.*))?",
    re.ASCII | re.DOTALL,
)


def split_s3(uri: str) -> tuple[str, str]:
    """Bucket and key (or key prefix) of an `s3://` URI. The key is literal: it is not percent-decoded.

    Raises:
        ConfigurationError: the URI names no bucket.
    """
    if not (found := _URI.fullmatch(uri)):
        shown = re.sub("//[^/]*@", "//***@", uri)
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
        for operation in ("ListObjectsV2", "GetObject"):
            client.meta.events.register(f"before-parameter-build.s3.{operation}", _pay)


def _pay(params: dict[str, Any], **_: object) -> None:
    params["RequestPayer"] = "requester"
