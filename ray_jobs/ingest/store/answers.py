"""What an answer with an error says about its sender: a server in trouble, or no object store at all."""

from __future__ import annotations

from typing import Any

ELSEWHERE = {"PermanentRedirect", "AuthorizationHeaderMalformed", "301"}
"""S3 error codes of a store that does not have the bucket in the region of the request."""


SENT_STATUS, UNREADABLE = "SentStatus", "Unreadable"
"""What `listing_xml` adds to the response of an error: the status as it was sent, and why a listing is no XML."""


def status(error: Exception) -> int:
    """The HTTP status of an error of boto3's; 0 if there was no answer."""
    return int(_metadata(error).get("HTTPStatusCode", 0))


def sent_status(error: Exception) -> int:
    """The HTTP status that was sent: of a 200 with a listing that is no XML, botocore makes a 500."""
    return int(getattr(error, "response", {}).get(SENT_STATUS, 0)) or status(error)


def is_fault(error: Exception) -> bool:
    """Whether an answer of boto3's is one of a server in trouble (5xx, 429), and not about the request."""
    return status(error) == 429 or status(error) >= 500


def is_web_page(error: Exception) -> bool:
    """Whether an answer is a page of HTML, which a proxy or a firewall sends and no object store does."""
    return str(_metadata(error).get("HTTPHeaders", {}).get("content-type", "")).lower().startswith("text/html")


def bucket_region(error: Any) -> str | None:
    """The region of the bucket that an answer with a code of ELSEWHERE names; None if it is about something else."""
    named = error.response["Error"].get("Region") or _metadata(error).get("HTTPHeaders", {}).get("x-amz-bucket-region")
    return str(named) if named else "" if status(error) == 301 else None


def _metadata(error: Any) -> dict[str, Any]:
    return dict(getattr(error, "response", {}).get("ResponseMetadata", {}))
