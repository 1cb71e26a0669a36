"""Tells a server whose URI or certificate is wrong for TLS from one that is away: gRPC does not."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

_SECONDS = 3.0
"""For the connection, and for each answer of the handshake: a server that cannot be reached was waited for already."""


def tls_problem(uri: str) -> str:
    """The end of a sentence about a server whose URI has the other scheme of http and https, or whose certificate gRPC
    does not trust; "" if all is right.

    A server that does not answer within seconds counts as right.
    """
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    address = parts.hostname, parts.port or (443 if parts.scheme == "https" else 19530)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(address, timeout=_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=parts.hostname),
        ):
            plain = parts.scheme == "http"
        return "speaks TLS; write https:// in --milvus-uri" if plain else _untrusted(address)
    except OSError as error:
        is_plain = getattr(error, "reason", "") == "WRONG_VERSION_NUMBER"  # of a message that is none of TLS
        return "does not speak TLS; write http:// in --milvus-uri" if is_plain and parts.scheme == "https" else ""


def _untrusted(address: tuple[str, int]) -> str:
    import grpc

    # gRPC does not read the certificates of the system.
    roots = os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
    bundled = Path(grpc.__file__).with_name("_cython") / "_credentials" / "roots.pem"
    try:
        context = ssl.create_default_context(cafile=roots or str(bundled))
        with (
            socket.create_connection(address, timeout=_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=address[0]),
        ):
            return ""
    except ssl.SSLCertVerificationError as error:
        return (
            f"has a certificate that is not trusted ({error.verify_message}); set GRPC_DEFAULT_SSL_ROOTS_FILE_PATH on "
            "the Ray nodes to the file of its CA"
        )
    except OSError:
        return ""
