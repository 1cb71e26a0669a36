"""Reads RAY_ADDRESS, and asks the head that it names one cheap question before Ray connects.

Ray itself finds out within 20 s to two minutes that an address is wrong or wants a token, and says neither.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from ingest.common.errors import ConfigurationError, UnreachableError
from ingest.common.redaction import hide_credentials
from ingest.common.text import one_line

_ANSWER_SECONDS = 10.0
_GCS_QUESTION = "/ray.rpc.NodeInfoGcsService/CheckAlive"
_CLIENT_QUESTION = "/ray.rpc.RayletDriver/ClusterInfo"
_CLIENT_PORT = 10001
_DEFAULT_TOKEN_FILE = "~/.ray/auth_token"


def in_ray_job() -> bool:
    """Whether this process is the driver of a Ray job, whose cluster is the one that runs it."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def ray_address() -> str:
    """RAY_ADDRESS: empty, `host:port` of the GCS or a word of Ray's, or a URL with the scheme ray, http or https.

    Raises:
        ConfigurationError: a URL of another scheme, or a malformed one.
    """
    address = os.environ.get("RAY_ADDRESS", "").strip()
    if "://" not in address:
        return address
    hide_credentials(address)
    scheme, _, rest = address.rstrip("/").partition("://")
    try:
        parts = urlsplit(f"http://{rest}")
        well_formed = bool(parts.hostname) and (parts.port or 1) > 0 and not parts.query and parts.username is None
    except ValueError:
        well_formed = False
    if scheme.lower() not in ("ray", "http", "https") or not well_formed:
        raise ConfigurationError(
            "RAY_ADDRESS must be host:port of the GCS, ray://host:port of Ray Client, or http(s)://host:port of "
            "the dashboard; a token belongs in RAY_AUTH_TOKEN"
        )
    return f"{scheme.lower()}://{rest}"


def is_elsewhere(address: str) -> bool:
    """Whether scripts do not run on this machine with this address, but on the cluster."""
    return "://" in address


def token() -> str | None:
    """The token that Ray sends with RAY_AUTH_MODE=token: RAY_AUTH_TOKEN, or the content of a file."""
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        return os.environ.get("RAY_AUTH_TOKEN", "").strip() or None
    if found := os.environ.get("RAY_AUTH_TOKEN"):
        return found.strip()
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or _DEFAULT_TOKEN_FILE).expanduser()
    return path.read_text().strip() if path.is_file() else None


def check_head(address: str) -> None:
    """Ask the GCS at `host:port`, or the server of Ray Client at `ray://host:port`, whether it is one.

    Raises:
        ConfigurationError: the port is another one, or the head wants a token.
        UnreachableError: nothing answers there.
    """
    host, port = _host_and_port(address)
    if not port:  # `auto`, or a host alone: Ray knows what it means
        return
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):  # that takes Ray's certificates
        _check_listens(address)
        return
    import grpc

    question = _CLIENT_QUESTION if is_elsewhere(address) else _GCS_QUESTION
    mode_is_token = os.environ.get("RAY_AUTH_MODE", "").lower() == "token"
    metadata = (("authorization", f"Bearer {sent}"),) if mode_is_token and (sent := token()) else ()
    # As Ray does, without the proxy of HTTP_PROXY.
    with grpc.insecure_channel(f"{host}:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary(question)(b"", timeout=_ANSWER_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            _explain(address, f"{host}:{port}", error.code(), str(error.details()), bool(metadata))


def _explain(address: str, server: str, status: object, details: str, sent_token: bool) -> None:
    """Raise the error for an answer that says that Ray could not connect either."""
    import grpc

    if status is grpc.StatusCode.UNAUTHENTICATED:
        raise ConfigurationError(wants_token(address, sent_token))
    if status is grpc.StatusCode.UNIMPLEMENTED:
        raise ConfigurationError(
            f"RAY_ADDRESS {address}: this is not the port of Ray Client; without ray:// it is that of the GCS"
            if is_elsewhere(address)
            else f"RAY_ADDRESS {address}: this is not the port of the GCS; for Ray Client write ray://{server}"
        )
    if "HTTP/2" in details:  # what answered speaks HTTP/1.1
        raise ConfigurationError(
            f"RAY_ADDRESS {address}: a web server answers there; if it is the Ray dashboard, write http://{server}"
        )
    if status is grpc.StatusCode.UNAVAILABLE:
        raise _unreachable(address, details)
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:  # a head that is busy answers Ray later
        _check_listens(address)


def _check_listens(address: str) -> None:
    host, port = _host_and_port(address)
    try:
        socket.create_connection((host.strip("[]"), port), timeout=_ANSWER_SECONDS).close()
    except OSError as error:
        raise _unreachable(address, str(error)) from None


def wants_token(address: str, sent_token: bool) -> str:
    """The sentence for a head that does not accept a request without a token, or with this one."""
    if sent_token:
        return f"the Ray cluster at {address} refuses the token; check RAY_AUTH_TOKEN, or {_token_file()}"
    return (
        f"the Ray cluster at {address} wants a token; set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN unless "
        f"{_token_file()} holds it ('ray get-auth-token' on the head prints it)"
    )


def _token_file() -> str:
    return os.environ.get("RAY_AUTH_TOKEN_PATH") or _DEFAULT_TOKEN_FILE


def _unreachable(address: str, reason: str) -> UnreachableError:
    return UnreachableError(
        f"the Ray cluster at {address} cannot be reached ({one_line(reason, 160)}); check RAY_ADDRESS and that it runs"
    )


def _host_and_port(address: str) -> tuple[str, int]:
    """The host, in brackets if it is an IPv6 address, and the port; 0 for none."""
    default = _CLIENT_PORT if is_elsewhere(address) else 0
    server = address.partition("://")[2] or address
    host, _, port = server.rpartition(":")
    return (host, int(port)) if port.isdigit() and host else (server, default)
