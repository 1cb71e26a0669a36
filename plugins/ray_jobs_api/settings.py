"""The settings of one Ray cluster: how to reach it, as plain data."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

#: ray/_private/ray_constants.py, DEFAULT_DASHBOARD_PORT
DEFAULT_PORT = 8265
#: In seconds.
DEFAULT_REQUEST_TIMEOUT = 30.0


def is_loopback(url: str) -> bool:
    """Whether a URL is on this machine, which no proxy of the environment can reach."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class ClusterSettings:
    """Everything that a client needs. ``repr`` omits the secrets, so that a traceback or a log cannot show them.

    :param base_url: address of the Ray dashboard, without a slash at its end.
    :param name: name of the connection, for messages.
    :param token: sent as bearer token.
    :param headers: sent with each request; their values are secrets.
    :param verify: whether the TLS certificate is verified.
    :param ca_file: path of a PEM file with the authority that signed the certificate.
    :param dashboard_url: address of the dashboard for people, for links.
    :param request_timeout: in seconds.
    :param job_prefix: first part of the ids of jobs that the caller submits.
    """

    base_url: str
    name: str
    token: str | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    verify: bool = True
    ca_file: str | None = None
    dashboard_url: str = ""
    request_timeout: float = DEFAULT_REQUEST_TIMEOUT
    job_prefix: str = "airflow"

    @property
    def secrets(self) -> list[str]:
        """Values that must never appear in a log."""
        return [value for value in (self.token, *self.headers.values()) if value]
