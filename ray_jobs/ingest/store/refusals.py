"""Sentences about a store that refuses every request, whose remedy lies in its client's settings."""

from __future__ import annotations

import re
from typing import Any

from ingest.common.errors import ConfigurationError
from ingest.common.text import one_line
from ingest.store.answers import UNREADABLE, is_fault, status

SKEWED = {"RequestTimeTooSkewed", "RequestExpired"}
"""S3 error codes of a request whose time is wrong by more than 15 minutes."""

DENIED = {"AccessDenied", "403"}
"""S3 error codes of credentials that may not do this; to a HEAD, a bare number."""

EXPIRED = {
    "ExpiredToken", "ExpiredTokenException", "InvalidToken", "InvalidAccessKeyId", "TokenRefreshRequired",
    "RequestExpired", "RequestTimeTooSkewed",
}  # fmt: skip
"""S3 error codes of credentials that the store accepts for no request at all."""

REFUSED = EXPIRED | DENIED | {"SignatureDoesNotMatch", "AuthorizationHeaderMalformed", "401"}
"""S3 error codes of refused credentials (Amazon S3 API reference, "Error responses")."""

NO_CREDENTIALS = (
    "there are no credentials for the object store; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment "
    "of the Ray nodes, or AWS_NO_SIGN_REQUEST=YES for a public bucket"
)

_EXPIRED_TOKEN = re.compile(
    r"token( \w+){0,6} (has|is) expired|expired.?token|token.?expired|token must be refreshed|TokenRefreshRequired",
    re.I,
)
"""In a code or message: credentials that were given for some hours, which are over."""

_PORT = re.compile(r"\b(console|api) port\b", re.I)
"""In a message: MinIO's console, which has a port beside the one of its S3 API."""

_BUSY = re.compile(r"SlowDown|TooManyRequests|Throttl|RequestLimitExceeded|RateExceeded|BandwidthLimit", re.I)
"""Codes of a store that asks for patience."""

_SPENT = re.compile(
    r"\bcaps?[ _]exceeded|(download|bandwidth|transfer|daily|egress).{0,20} quota|UserDisable|arrears", re.I
)
"""In a code or message: Backblaze's caps of a day, Google's quotas of downloads, Alibaba's accounts that owe money."""

NO_CODE = (
    "the profile in AWS_PROFILE wants a code of multi-factor authentication, which nobody can type here; give the keys "
    "of a session, with AWS_SESSION_TOKEN"
)

_ROLE_OPERATIONS = {"AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "GetRoleCredentials"}
"""Operations of the services STS and SSO, which botocore calls before the first request to the store."""

_AMAZON = re.compile(r"\.amazonaws\.com(\.cn)?$")

_PERMANENT = {*range(400, 500), 501} - {408, 429}
"""HTTP statuses that the same request gets again."""


def is_spent(error: Any) -> bool:
    """Whether an answer says that the account may read no more for now, whichever object it asks for."""
    found = error.response.get("Error", {})
    return status(error) == 403 and _SPENT.search(f"{found.get('Code')} {found.get('Message')}") is not None


def is_expired(error: Any) -> bool:
    """Whether an answer says that a session's token has expired; stores have several codes for it."""
    found = error.response.get("Error", {})
    return (
        400 <= status(error) < 500 and _EXPIRED_TOKEN.search(f"{found.get('Code')} {found.get('Message')}") is not None
    )


def unreadable(error: Any, store: str, bucket: str) -> str:
    """The sentence for a listing that is no XML; "" if the answer is another."""
    problem = error.response.get(UNREADABLE)
    if not problem:
        return ""
    return (
        f"the answer of the object store {store} to the listing of bucket {bucket!r} cannot be read as XML "
        f"({one_line(problem, 160)}); look for a key there that the store does not escape, at the proxies on the way, "
        "and at AWS_ENDPOINT_URL, or update the store"
    )


def role_refusal(error: Any) -> str:
    """The sentence for an answer of the service that hands out the credentials of a role; "" if it is another's."""
    if error.operation_name not in _ROLE_OPERATIONS or is_fault(error):
        return ""
    found = error.response.get("Error", {})
    return (
        f"the role that reads the object store cannot be assumed ({found.get('Code')}: "
        f"{one_line(found.get('Message', ''), 160)}); check AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE, AWS_PROFILE and "
        "whom the role trusts"
    )


def denial(error: Any, store: str, bucket: str, prefix: str) -> str:
    """The sentence for credentials that the store does not know, or no longer, or that may not list a prefix."""
    found = error.response.get("Error", {})
    message = one_line(found.get("Message", ""), 300)
    reason = f"{found.get('Code')}: {message}" if message else str(found.get("Code"))
    if _PORT.search(message):
        return _console(store, reason)
    refused = f"the object store {store} refuses these credentials for bucket {bucket!r} ({reason})"
    if is_expired(error):
        return (
            f"{refused}, whose time is over; get a new token, and set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY "
            "and AWS_SESSION_TOKEN to what comes with it"
        )
    if found.get("Code") in DENIED:
        refused += f"; they need the permission s3:ListBucket for the prefix {prefix!r}, and s3:GetObject"
    return f"{refused}; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and the bucket's policy"


def overload(error: Any, store: str) -> str:
    """The sentence for a store that asked for patience until no attempt was left; "" if it did not."""
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError):
        return ""
    found = error.response.get("Error", {})
    code = str(found.get("Code", ""))
    if not _BUSY.search(code) and status(error) != 429:
        return ""
    return (
        f"the object store {store} accepts so few requests that none came through ({code}: "
        f"{one_line(found.get('Message', ''), 160)}); run fewer jobs at a time, raise its limits, or wait"
    )


def refusal(error: Any, store: str, bucket: str) -> str:
    """The sentence for an exception of boto3 that no retry can mend; "" if one may help."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConnectionError,
        CredentialRetrievalError,
        FlexibleChecksumError,
        HTTPClientError,
        IncompleteReadError,
        MetadataRetrievalError,
        MissingDependencyException,
        SSLError,
        SSOError,
        TokenRetrievalError,
    )

    if isinstance(error, (CredentialRetrievalError, SSOError, TokenRetrievalError)):
        return (
            f"the credentials for the object store cannot be retrieved ({one_line(error, 160)}); check AWS_PROFILE or "
            "AWS_ROLE_ARN and the login behind it, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if isinstance(error, SSLError):
        return _tls(str(error), store)
    if isinstance(error, MissingDependencyException):
        return (
            f"bucket {bucket!r} can be read only with a package that is missing, as access points of several regions "
            "need it for their signatures; install botocore[crt] on the Ray nodes, or give the bucket of one region"
        )
    passing = (ConnectionError, FlexibleChecksumError, HTTPClientError, IncompleteReadError, MetadataRetrievalError)
    if isinstance(error, passing):
        return ""
    if isinstance(error, BotoCoreError):  # it has sent nothing
        return (
            f"the client of the object store {store} refuses bucket {bucket!r} ({one_line(error, 160)}); check "
            "--source, AWS_DEFAULT_REGION and AWS_ENDPOINT_URL"
        )
    if not isinstance(error, ClientError):
        return ""
    code, message = (str(error.response.get("Error", {}).get(name, "")) for name in ("Code", "Message"))
    if code in SKEWED:
        return f"the clock of this node is wrong, says the object store {store} ({code}); set it, for example by NTP"
    if code == "400":
        return (
            f"the object store {store} refuses to list bucket {bucket!r} and does not say why (400); check "
            "AWS_DEFAULT_REGION, which must be the bucket's region, AWS_ENDPOINT_URL, and the credentials"
        )
    if _PORT.search(message):
        return _console(store, f"{code}: {one_line(message, 160)}")
    # A bare number comes from something that is no object store, such as a gateway that has not found it yet.
    if not code.isdigit() and status(error) in _PERMANENT:
        return (
            f"the object store {store} refuses to list bucket {bucket!r} ({code}: {one_line(message, 160)}); check "
            "--source, AWS_DEFAULT_REGION and AWS_ENDPOINT_URL, which must be its S3 API, without the bucket"
        )
    return ""


def senseless(error: Exception, store: str = "") -> Exception:
    """The error for an answer on which botocore itself fails with a KeyError or the like; otherwise the same error."""
    module, trace = "", error.__traceback__
    while trace is not None:
        module, trace = str(trace.tb_frame.f_globals.get("__name__")), trace.tb_next
    if not module.startswith("botocore."):
        return error
    problem = f"{type(error).__name__}: {one_line(error, 100)}"
    if module == "botocore.credentials":
        return ConfigurationError(
            f"the answer with the credentials for the object store makes no sense ({problem}); check the service that "
            "AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_ROLE_ARN or AWS_PROFILE names"
        )
    return ConfigurationError(
        f"the answer of the object store {store} makes no sense ({problem}); update it, or check AWS_ENDPOINT_URL"
    )


def _console(store: str, reason: str) -> str:
    return (
        f"{store} is the address of a console, and not of an object store's S3 API ({reason}); set AWS_ENDPOINT_URL to "
        "the port of the API (for MinIO, 9000 by default)"
    )


def silence(error: Exception, store: str) -> str:
    """The sentence for a store that does not answer."""
    settings = "AWS_ENDPOINT_URL is right"
    if _AMAZON.search(store):
        settings = "AWS_DEFAULT_REGION is a region; for a store that is not Amazon's, set AWS_ENDPOINT_URL"
    return f"the object store {store} cannot be reached ({one_line(error)}); check that it runs and that {settings}"


def _tls(problem: str, store: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in problem:
        reason = one_line(problem.partition("CERTIFICATE_VERIFY_FAILED] ")[2] or problem, 160)
        return (
            f"the certificate of the object store {store} is not trusted ({reason}); set AWS_CA_BUNDLE to its CA's file"
        )
    if "WRONG_VERSION_NUMBER" in problem:
        return f"the object store {store} does not speak TLS; write http:// in AWS_ENDPOINT_URL"
    return "AWS_CA_BUNDLE names a file that does not exist" if "No such file" in problem else ""
