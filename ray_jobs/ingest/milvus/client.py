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
from ingest.common.errors import ConfigurationError, JobError, UnreachableError
from ingest.common.loopback import is_loopback
from ingest.common.redaction import TOKEN_NAME_VARIABLE, hide_credentials
from ingest.common.text import one_line
from ingest.milvus.expressions import literal
from ingest.milvus.proxy import proxy_variable
from ingest.milvus.tls import tls_problem

if TYPE_CHECKING:
    from pymilvus import MilvusClient
    from pymilvus.exceptions import MilvusException

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
_NO_DATABASE = re.compile(r"database.*(not found|not exist)|no such database", re.I)
_REFUSED = re.compile(
    r"auth check failure|unauthenticated|permission[ _]?deny|permission[ _]?denied|invalid credential|"
    r"header with status: 40[13]",
    re.I,
)
# The words of pymilvus and gRPC for a server that is away.
_AWAY = re.compile(
    r"fail connecting|unavailable|retry (run out|timeout)|run out of \d+ retry|deadline exceeded|"
    r"connection (refused|reset)|channel closed|wait .*timeout|header with status: 5\d\d",
    re.I,
)
# The words of a Milvus that is starting, being upgraded, losing nodes, or still loading a collection.
_NOT_READY = re.compile(
    r"not ready|not loaded|loaded to memory|state 'released'|shard leaders?|in any replica|"
    r"recovering|node (not found|offline)|timestamp lag|context canceled|node ?id mismatch|server ?id mismatch|"
    r"(partitions|fully) loaded|etcdserver: (request timed out|no leader|leader changed)|initializing|"
    r"channel (not (available|subscribed|found)|lacks)|empty grpc client|io failed|"
    r"not (healthy|serviceable|serving)|no available \w+|"
    r"segment (lacks?|not loaded)|streaming_code_|node not match|replica not available",
    re.I,
)

# A used-up quota (codes 3, 7, 9, 12: memory, disk, "quota exceeded[reason=...]", resources), or a full disk.
_FULL = re.compile(
    r"quota (is )?(exceeded|exhausted)|(memory|disk) (limit|quota)|force.?(to )?den|deny to write|no space left|"
    r"disk (is )?full|"
    r"resource.?insufficient|insufficient memory|oom if load|out of memory|"
    r"limit number of collections|collection (number )?limit|general capacity|"
    r"number of collections .*(limit|max)|database space exceeded|minimum free drive",
    re.I,
)
# Milvus Lite passes on what its operating system says about its data folder.
_FOLDER = re.compile(
    r"\[Errno \d+\] (permission denied|read-only file system|input/output error|structure needs)", re.I
)
_STOPPED = re.compile(
    r"cluster (status|is) \W*(stop|suspend|delet|paus)|(cluster|instance).* (suspend|stopp|paus)", re.I
)
# The words of gRPC for a server that is another one than Milvus, such as a proxy without a route to it.
_ANOTHER = re.compile(r"header with status: (400|404|405|415|421)|unknown service|unexpected content-type", re.I)
_LARGE = re.compile(r"message larger than max|status: 413", re.I)
_RATE = re.compile(r"rate ?limit|request limit exceeded|too many requests|header with status: 429", re.I)
# Words of Milvus and pymilvus about a value that a field cannot hold. Newer servers also answer with _INVALID.
_UNSTORABLE = re.compile(
    r"exceeds? (the )?max|invalid (parameter|input)|illegal|not a number|nan\b|infinit|out of range|expects .*input|"
    r"utf-?8|surrogate|codec",
    re.I,
)
_INVALID = 1100


def refuses_rows(error: MilvusException) -> bool:
    """Whether Milvus refuses a request because of the values of its rows, and not for a reason of its own."""
    text = str(error.message)
    own = error.code == 2 or any(
        pattern.search(text) for pattern in (_AWAY, _NOT_READY, _REFUSED, _FULL, _RATE, _FOLDER)
    )
    return not own and (error.code == _INVALID or error.is_input_error or _UNSTORABLE.search(text) is not None)


def refuses_size(error: Exception) -> bool:
    """Whether a request has more bytes than Milvus, or a proxy before it, accepts at once."""
    return _LARGE.search(str(error)) is not None


def check_prefix(prefix: str) -> None:
    """Raises ConfigurationError if a collection's name cannot begin with `prefix` (Milvus Lite would not object)."""
    if not _PREFIX.fullmatch(prefix):
        raise ConfigurationError(
            f"--collection {prefix!r} cannot begin a collection's name; use letters, digits and _, no digit first"
        )


def without_credentials(uri: str) -> str:
    """The URI without the user name and password that it may contain."""
    before, at, host = uri.rpartition("@")
    return f"{before.partition('://')[0]}://{host}" if at and "://" in before else host


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


GRPC_OPTIONS = {"grpc.keepalive_time_ms": 310_000, "grpc.keepalive_permit_without_calls": False}
"""pymilvus pings every 10 s, even when idle. A gRPC server with default settings (Milvus Lite's) closes the connection
after a few pings within 5 minutes, and a call in progress fails. Each call's timeout detects a dead server anyway."""


def token_variable() -> str:
    """The name of the environment variable that holds the token: that in TOKEN_NAME_VARIABLE, or MILVUS_TOKEN."""
    return variable(TOKEN_NAME_VARIABLE) or "MILVUS_TOKEN"


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
        with attempt, errors_as_sentences(uri):
            client = MilvusClient(uri=uri, token=token, timeout=CONNECT_TIMEOUT, grpc_options=options)
            client.list_collections(timeout=CONNECT_TIMEOUT)
    return client


@contextmanager
def errors_as_sentences(uri: str) -> Iterator[None]:
    """Turn the exceptions of pymilvus into a JobError that says what to do."""
    from grpc import RpcError
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except (MilvusException, RpcError, ConnectionError) as error:
        server, text = f"Milvus at {without_credentials(uri)}", one_line(getattr(error, "message", None) or error)
        if _FOLDER.search(text):
            raise UnreachableError(
                f"{server} cannot use its own folder ({text}); check the disk and the permissions there"
            ) from None
        if _REFUSED.search(text):
            raise ConfigurationError(
                f"{server} refuses the credentials ({text}); check {token_variable()} on the Ray nodes"
            ) from None
        if _NO_DATABASE.search(text):
            raise ConfigurationError(f"{server} does not have this database ({text}); check --milvus-uri") from None
        if _STOPPED.search(text):
            raise UnreachableError(f"{server} is stopped or suspended ({text}); resume it where it is hosted") from None
        if _FULL.search(text):
            raise UnreachableError(
                f"{server} takes no more writes ({text}); give it the memory or disk that it lacks, or raise its quota"
            ) from None
        if _ANOTHER.search(text):
            raise ConfigurationError(
                f"{server} answers, but not as Milvus does ({text}); check --milvus-uri, and the "
                "proxy before Milvus if there is one"
            ) from None
        if _RATE.search(text):
            raise UnreachableError(
                f"{server} accepts so few requests that none came through in {TIMEOUT:.0f} s ({text}); raise its "
                "limit, or run fewer jobs at a time"
            ) from None
        if isinstance(error, MilvusException) and error.code != 2 and _NOT_READY.search(text):
            raise UnreachableError(
                f"{server} is not ready ({text}); wait until its nodes run and have loaded its collections, or look at "
                "its log"
            ) from None
        if getattr(error, "code", None) == 2 or not isinstance(error, MilvusException) or _AWAY.search(text):
            name = token_variable()
            wrong = f"; a wrong {name} can look the same" if os.environ.get(name) else ""
            proxy = proxy_variable(urlsplit(uri).hostname or "") if uri.startswith(("http", "tcp")) else ""
            through = f", or add its host to no_proxy if it is not behind the proxy of {proxy}" if proxy else ""
            if not proxy and (problem := tls_problem(uri)):
                raise ConfigurationError(f"{server} {problem}") from None
            raise UnreachableError(
                f"{server} cannot be reached ({text}); check --milvus-uri and that it runs{through}{wrong}"
            ) from None
        raise JobError(f"{server} refused a request: {text}") from None


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
