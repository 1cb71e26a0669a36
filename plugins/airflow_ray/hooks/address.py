"""Turns the address fields of an Airflow connection into the base URL of a server, such as a Ray dashboard.

People write addresses in many forms: a whole URL in ``host``, with or without the port in its own field; a host and a
path; a bare IPv6 address; a URI in ``AIRFLOW_CONN_*``, of which Airflow puts the path into ``schema``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, urlsplit

from ray_jobs_api.settings import DEFAULT_PORT

if TYPE_CHECKING:
    from airflow.sdk import Connection

_SCHEMES = ("http", "https")
#: Characters of a part of a host name, at most.
_LABEL = 63


@dataclass(frozen=True)
class Server:
    """A kind of server, for the default port and the messages."""

    name: str
    port: int
    example: str


RAY = Server("the Ray dashboard", DEFAULT_PORT, f"http://ray-head:{DEFAULT_PORT}")


def base_url(connection: Connection, where: str, server: Server = RAY) -> str:
    """The URL in front of the server's own paths, such as ``/api/...``, without a slash at its end.

    ``where`` names the connection in messages. Raises ``ValueError`` with one sentence.
    """
    scheme, text, path = _fields(connection)
    if not text:
        raise ValueError(f"The {where} has no address: set its host, such as {server.example}.")
    parts = _split(text, scheme, connection.port, where, server)
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"Put the token of {where} into its password field, not into the address.")
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ValueError(
            f"The address of {where} must be http:// or https:// and point at {server.name} (port {server.port})"
            + ("; ray:// is the address for Ray Client." if parts.scheme == "ray" else ".")
        )
    if parts.query or parts.fragment:
        raise ValueError(f"The address of {where} must end with the host or its path: leave out '?' and '#'.")
    if scheme and scheme != parts.scheme:
        raise ValueError(f"The address of {where} begins with {parts.scheme}://, and its scheme says {scheme}.")
    if parts.port and connection.port and parts.port != connection.port:
        raise ValueError(f"The {where} names two ports: {parts.port} in its host, and {connection.port}.")
    return _url(parts, connection.port or (None if "://" in text else server.port), path)


def without_name(error: ValueError, conn_id: str) -> str:
    """The sentence of an error without the connection's id, which is a random one behind the button *Test*."""
    name = f"connection '{conn_id}'"
    return str(error).replace(f"The {name}", "The connection").replace(name, "the connection")


def _fields(connection: Connection) -> tuple[str, str, str]:
    """The scheme, the text of the host, and a path that Airflow has put into ``schema``; each may be empty."""
    text = _without_spaces(connection.host or "").rstrip("/")
    schema = (connection.schema or "").strip().strip("/")
    scheme = schema.lower().removesuffix("://").removesuffix(":")
    if (
        connection.conn_type in _SCHEMES and "://" not in text
    ):  # AIRFLOW_CONN_RAY_DEFAULT='https://ray.example.com/path'
        # Airflow's own notation for TLS: AIRFLOW_CONN_HTTP_DEFAULT='http://host:443/https'.
        own, path = (scheme, "") if scheme in _SCHEMES else (connection.conn_type, schema)
        return "", f"{own}://{text}" if text else "", path
    # AIRFLOW_CONN_RAY_DEFAULT='ray://https://ray.example.com/path'; Airflow takes the brackets off an IPv6 address.
    if "://" in text and scheme not in ("", *_SCHEMES):
        return "", text, schema
    return scheme, text, ""


def _without_spaces(text: str) -> str:
    """The address without the white space that copying has left in it; one within its path is a part of it."""
    scheme, separator, rest = text.strip().rpartition("://")
    host, slash, path = rest.partition("/")
    return "".join(f"{scheme}{separator}{host}".split()) + slash + quote(" ".join(path.split()), "/%:@!$&'()*+,;=~?#")


def _split(text: str, scheme: str, port: int | None, where: str, server: Server) -> SplitResult:
    """The parts of an address, whose host may be an IPv6 address without brackets."""
    before, separator, rest = text.rpartition("://")
    host, slash, path = rest.partition("/")
    if _is_ipv6(host):
        host = f"[{host}]"
    # In a URL, the percent sign before a zone is written as %25 (RFC 6874).
    host = re.sub(r"%(?!25)(?=[^\]]*\]$|[^\]]*\]:\d+$)", "%25", host)
    try:
        parts = urlsplit(f"{before if separator else scheme or 'http'}://{host}{slash}{path}")
        _ = parts.port
        labels = (parts.hostname or "").removesuffix(".").split(".")
        if any(len(label) > _LABEL for label in labels) or ("" in labels and len(labels) > 1):  # no DNS name
            raise ValueError(parts.hostname)
        if not 0 <= (port or 0) < 1 << 16:
            raise ValueError(port)
    except ValueError:
        raise ValueError(
            f"The address of {where} is malformed: it must be a URL such as {server.example}; an IPv6 "
            "address with a port needs brackets."
        ) from None
    if ":" in (parts.hostname or "") and not host.rpartition("@")[2].startswith("["):
        raise ValueError(f"The address of {where} has an IPv6 address with a port: put the address into brackets.")
    return parts


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text.replace("%25", "%"))
    except ValueError:
        return False
    return True


def _url(parts: SplitResult, port: int | None, path: str) -> str:
    """The URL with the port of the host, or else this one, or else the scheme's."""
    host = parts.netloc.rpartition("@")[2].lower()
    if not parts.port:
        host = host.removesuffix(":") + (f":{port}" if port else "")
    path = "/".join(piece.strip("/") for piece in (parts.path, path) if piece.strip("/"))
    return f"{parts.scheme}://{host}/{path}" if path else f"{parts.scheme}://{host}"
