"""Connect to Milvus and query it; every error becomes one sentence that says what to do."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from ingest.common.environment import variable
from ingest.common.errors import ConfigurationError, UnreachableError
from ingest.common.loopback import is_loopback
from ingest.common.redaction import hide_credentials
from ingest.milvus.expressions import literal
from ingest.milvus.refusals import explain, token_variable, without_credentials

if TYPE_CHECKING:
    from pymilvus import MilvusClient

TIMEOUT = 120.0
"""Seconds that a call may take, with pymilvus's own retries (10 ms to 3 s apart): enough for a restart of Milvus."""

CONNECT_TIMEOUT = 10.0
"""Seconds in which a server must answer a new connection."""

PAGE = 5000
"""Rows per request: without vectors and texts they have well under 1 kB each, and Milvus returns at most 16,384."""

LITE_PAGE = 16_384
"""Rows per request to Milvus Lite, which looks at all rows of the collection for each page, and accepts 256 MiB."""

_PREFIX = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,200})?")
_DATABASE = re.compile(r"/?|/[A-Za-z_][A-Za-z0-9_]{0,254}/?")


def check_prefix(prefix: str) -> None:
    """Raises ConfigurationError if a collection's name cannot begin with `prefix` (Milvus Lite would not object)."""
    if not _PREFIX.fullmatch(prefix):
        raise ConfigurationError(
            f"--collection {prefix!r} cannot begin a collection's name; use letters, digits and _, no digit first"
        )


def is_lite(client: MilvusClient) -> bool:
    """Whether the server is Milvus Lite, which supports one writer per collection."""
    # "lite" alone is not enough: the standalone server in the package `milvus` calls itself 2.3.5-lite.
    return re.search(r"milvus[-_]?lite", str(client.get_server_version()), re.I) is not None


def server_version(client: MilvusClient) -> tuple[int, int]:
    """Major and minor version of a Milvus server; for Milvus Lite, the version of the server whose features it has."""
    if is_lite(client):
        return 2, 6
    found = re.search(r"(\d+)\.(\d+)", str(client.get_server_version()))
    # A build whose version has no number comes from the development branch.
    return (int(found[1]), int(found[2])) if found else (99, 0)


GRPC_OPTIONS = {
    "grpc.keepalive_time_ms": 310_000,
    "grpc.keepalive_permit_without_calls": False,
    "grpc.max_reconnect_backoff_ms": 2000,
}
"""pymilvus pings every 10 s, even when idle. A gRPC server with default settings (Milvus Lite's) closes the connection
after a few pings within 5 minutes, and a call in progress fails. Each call's timeout detects a dead server anyway.

While a server is away, gRPC tries to connect at growing intervals, by default of up to two minutes. After a minute, a
client found a server that was back 7.6 s later, and 1.2 s later with at most two seconds in between."""


def connect(uri: str, retry_seconds: float = 0.0) -> MilvusClient:
    """A client for the server at `uri`; the token comes from the environment (`token_variable`).

    Args:
        retry_seconds: how long to retry while the server does not answer. A person who mistyped a URI wants no retries;
            a process that connects in the middle of a run, while Milvus restarts, needs them.

    Raises:
        ConfigurationError: the URI does not name a server, or the server refuses the token or has no such database.
        UnreachableError: no answer within `CONNECT_TIMEOUT`. Up to 2.3, servers do not answer to a wrong token either.
    """
    token = variable(token_variable())
    uri = re.sub("^[A-Za-z]+(?=://)", lambda scheme: scheme[0].lower(), uri)
    hide_credentials(uri)
    shown = without_credentials(uri)
    # On import, pymilvus connects to the server that this variable names, and fails if it names none.
    os.environ.pop("MILVUS_URI", None)
    from pymilvus import MilvusClient

    # pymilvus logs every error with a traceback before it raises it.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    if not uri.startswith(("http://", "https://", "tcp://", "unix:")):
        raise ConfigurationError(
            f"--milvus-uri {shown!r} is not the URI of a server; start Milvus, or Milvus Lite with "
            "`milvus-lite server --data-dir DIR --host 127.0.0.1 --port 19530`, and give http://HOST:PORT"
        )
    try:
        parts = urlsplit(uri)
        if uri != uri.strip():
            raise ValueError("white space surrounds it")
        if parts.scheme != "unix" and (not parts.hostname or parts.port == 0):
            raise ValueError("it names no host and port")
        # pymilvus takes the first piece of the path for the database, and ignores what is behind it.
        if parts.scheme != "unix" and not (_DATABASE.fullmatch(parts.path) and not parts.query and not parts.fragment):
            raise ValueError("it names more than a database")
    except ValueError:
        raise ConfigurationError(
            f"--milvus-uri {shown!r} is not of the form http://HOST:PORT or http://HOST:PORT/DATABASE"
        ) from None
    options = GRPC_OPTIONS | ({"grpc.enable_http_proxy": 0} if is_loopback(parts.hostname or "") else {})
    for attempt in Retrying(
        retry=retry_if_exception_type(UnreachableError),
        stop=stop_after_delay(retry_seconds),
        wait=wait_fixed(1),
        reraise=True,
    ):
        with attempt, errors_as_sentences(uri, is_new=True):
            client = MilvusClient(uri=uri, token=token, timeout=CONNECT_TIMEOUT, grpc_options=options)
            client.list_collections(timeout=CONNECT_TIMEOUT)
    return client


@contextmanager
def errors_as_sentences(uri: str, is_new: bool = False) -> Iterator[None]:
    """Turn the exceptions of pymilvus into a JobError that says what to do.

    Args:
        is_new: whether nothing is known yet of the server.
    """
    from grpc import RpcError
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except (MilvusException, RpcError, ConnectionError) as error:
        raise explain(error, uri, is_new) from None


def alias_target(client: MilvusClient, name: str) -> str | None:
    """The collection that a name refers to: the target of an alias, or itself; None if there is neither."""
    if not client.has_collection(name, timeout=TIMEOUT):
        return None
    return str(client.describe_collection(name, timeout=TIMEOUT)["collection_name"])


def query_pages(
    client: MilvusClient, collection: str, condition: str, fields: list[str], key: str = "id", size: int | None = None
) -> Iterator[list[dict[str, Any]]]:
    """Rows of a loaded collection in pages of `size` (by default PAGE or LITE_PAGE), in order of the primary key.

    `key` is the name of the primary key and must be one of `fields`. The consistency level is the collection's default:
    the iterator ignores any level that it is given (pymilvus 3.0.2).
    """
    size = size or (LITE_PAGE if is_lite(client) else PAGE)
    last: str | None = None
    while True:
        iterator = client.query_iterator(
            collection,
            filter=condition if last is None else f"{key} > {literal(last)} and ({condition})",
            output_fields=fields,
            batch_size=size,
            timeout=TIMEOUT,
        )
        try:
            while page := list(iterator.next()):
                yield page
                last = page[-1][key]
                # To resume, the iterator puts the last key into its filter without escaping quotes and backslashes
                # (pymilvus 3.0.2). Where that does not give a valid literal, a new iterator takes over.
                if literal(last) != f'"{last}"':
                    break
            else:
                return
        finally:
            iterator.close()
