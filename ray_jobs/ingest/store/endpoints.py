"""Explains why boto3 takes no requests for the URL of a store: it allows fewer names of hosts than DNS and Docker."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_SCHEME = re.compile(r"https?://", re.I)
_HOST_AND_PORT = re.compile(r"[\w.-]+(:\d+)?(/.*)?")

_LONGEST = 63
"""Characters of a part of a host's name (RFC 1035, 2.3.4)."""


_INVALID = re.compile(r"Invalid endpoint: (.*)", re.DOTALL)
"""The words of botocore, which also reads an endpoint from the file of a profile."""


def profile_problem(error: Exception) -> str:
    """A sentence about the endpoint of a profile that botocore refuses; "" if it refuses something else."""
    found = _INVALID.fullmatch(str(error))
    return endpoint_problem("endpoint_url of the profile in AWS_PROFILE", found[1]) if found else ""


def endpoint_problem(name: str, url: str) -> str:
    """A sentence about the URL that the environment variable `name` holds; "" if nothing is wrong with it."""
    if not _SCHEME.match(url):
        hint = f"; write http:// or https:// before {url!r}" if _HOST_AND_PORT.fullmatch(url) else ""
        return f"{name} must begin with http:// or https:// and name a host{hint}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host = urlsplit(url).netloc.rpartition("@")[2]
        return f"{name} has no valid port behind its host ({host}); ports are numbers from 1 to 65535"
    if not host:
        return f"{name} must begin with http:// or https:// and name a host"
    if port == 0:
        return f"{name} has the port 0, at which nothing answers; ports are numbers from 1 to 65535"
    if ":" in host:  # an address of IPv6
        return ""
    if reason := _reason(host):
        return f"boto3, the client of the object store, takes no requests for the host {host!r} in {name}: {reason}"
    return ""


def _reason(host: str) -> str:
    """What boto3 does not allow in the name of a host, and the remedy; "" if it allows the name."""
    parts = host.removesuffix(".").split(".")
    if "_" in host:
        return 'it has a "_"; give the service another name, an alias without it, or use its IP address'
    if any(part.startswith("-") or part.endswith("-") for part in parts):
        return 'a part of its name begins or ends with "-"; give the service another name, or use its IP address'
    if not host.isascii():
        return f"it has letters outside ASCII; {_ascii_form(host)}"
    if odd := re.search(r"[^A-Za-z\d.-]", host):
        return f"it has a {odd[0]!r}; names of hosts have letters, digits, hyphens and dots"
    if not all(0 < len(part) <= _LONGEST for part in parts) or len(host) > 255:
        return f"the parts of its name between dots need 1 to {_LONGEST} characters"
    return ""


def _ascii_form(host: str) -> str:
    try:
        return f"write {host.encode('idna').decode()!r} instead"
    except UnicodeError:
        return "use its IP address"
