"""Sentences about Milvus, or whatever answers in its place, when it refuses a request: they say what to do."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ingest.common.environment import variable
from ingest.common.errors import ConfigurationError, JobError, UnreachableError
from ingest.common.redaction import TOKEN_NAME_VARIABLE
from ingest.common.text import one_line
from ingest.milvus.proxy import proxy_variable
from ingest.milvus.tls import tls_problem

if TYPE_CHECKING:
    from pymilvus.exceptions import MilvusException

_NO_DATABASE = re.compile(r"database.*(not found|not exist)|no such database", re.I)
_REFUSED = re.compile(
    r"auth check failure|unauthenticated|permission[ _]?deny|permission[ _]?denied|invalid credential|"
    r"header with status: 40[13]",
    re.I,
)
# Of a user that Milvus knows and that may not do this; a proxy's status 403 is PERMISSION_DENIED to gRPC too.
_FORBIDDEN = re.compile(r"permission[ _]?den(y|ied)(?!.*header with status)", re.I)
_PRIVILEGE = re.compile(r"\bPrivilege([A-Z]\w+)")
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
# Milvus and Milvus Lite pass on what their operating system says about their data folders.
_FOLDER = re.compile(
    r"(\[Errno \d+\]|\b\w+ /[^:]*:) (permission denied|read-only file system|input/output error|structure needs)", re.I
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
# Of a server without a method: another one than Milvus, or an older Milvus.
_UNKNOWN = re.compile("unimplemented", re.I)
# Of Milvus about the request itself, such as a type of index that it does not have.
_NOT_ACCEPTED = re.compile(
    r"invalid (parameter|param\b|index|dimension|schema|input|field|collection|metric)|illegal|not supported|"
    r"unsupported|parameters are inconsistent|with different parameters|at most one distinct|maximum field|"
    r"cannot parse expression|failed to create (expr|query) plan",
    re.I,
)
_REQUEST_CODES = {105, 107, 108, 701, _INVALID, 1101, 1102, 1700}
"""Of a schema, an index, parameters and fields (`pkg/util/merr` of Milvus)."""
_GONE, _GONE_CODE = re.compile(r"collection not (found|exist)|can't find collection", re.I), 100
_OF_CLIENT = re.compile(r"Unexpected error, message=<")
"""How pymilvus wraps an exception of its own."""


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


def without_credentials(uri: str) -> str:
    """The URI without the user name and password that it may contain."""
    before, at, host = uri.rpartition("@")
    return f"{before.partition('://')[0]}://{host}" if at and "://" in before else host


def token_variable() -> str:
    """The name of the environment variable that holds the token: that in TOKEN_NAME_VARIABLE, or MILVUS_TOKEN."""
    return variable(TOKEN_NAME_VARIABLE) or "MILVUS_TOKEN"


def explain(error: Exception, uri: str, is_new: bool) -> JobError:
    """The error to raise for an exception of pymilvus or gRPC.

    What Milvus says of its insides has no end of words, so that whatever is about no request in particular is a failure
    of the server.

    Args:
        is_new: whether nothing is known yet of the server.
    """
    from pymilvus.exceptions import (
        DescribeCollectionException,
        MilvusException,
        SchemaMismatchRetryableException,
    )

    # Of the exceptions of pymilvus, those that it makes of an answer of the server.
    answers = (MilvusException, DescribeCollectionException, SchemaMismatchRetryableException)
    server, text = f"Milvus at {without_credentials(uri)}", one_line(_words(error))
    if _FOLDER.search(text):
        return UnreachableError(
            f"{server} cannot use its own folder ({text}); check the disk and the permissions there"
        )
    if _FORBIDDEN.search(text):
        found = _PRIVILEGE.search(text)
        privilege = f"the privilege {found[1]}" if found else "the privilege that is missing"
        return ConfigurationError(
            f"{server} does not let this user do what the run needs ({text}); grant {privilege} to a role of the user, "
            f"or set {token_variable()} on the Ray nodes to the token of a user that has it"
        )
    if _REFUSED.search(text):
        return ConfigurationError(
            f"{server} refuses the credentials ({text}); check {token_variable()} on the Ray nodes"
        )
    if _NO_DATABASE.search(text):
        return ConfigurationError(f"{server} does not have this database ({text}); check --milvus-uri")
    if _STOPPED.search(text):
        return UnreachableError(f"{server} is stopped or suspended ({text}); resume it where it is hosted")
    if _FULL.search(text):
        return UnreachableError(
            f"{server} takes no more writes ({text}); give it the memory or disk that it lacks, or raise its quota"
        )
    unknown = _UNKNOWN.search(text)
    if _ANOTHER.search(text) or (unknown and is_new):
        return ConfigurationError(
            f"{server} answers, but not as Milvus does ({text.partition('. ')[0]}); check --milvus-uri, whose port is "
            "that of Milvus's gRPC (19530 by default), and the proxy before Milvus if there is one"
        )
    if unknown:
        return ConfigurationError(
            f"{server} does not know a request of this version ({text.partition('. ')[0]}); update Milvus, or check "
            "the proxy before it if there is one"
        )
    if _RATE.search(text):
        return UnreachableError(
            f"{server} accepts so few requests that none came through in time ({text}); raise its limit, or run fewer "
            "jobs at a time"
        )
    if isinstance(error, MilvusException) and error.code != 2 and _NOT_READY.search(text):
        return UnreachableError(
            f"{server} is not ready ({text}); wait until its nodes run and have loaded its collections, or look at "
            "its log"
        )
    if getattr(error, "code", None) == 2 or not isinstance(error, MilvusException) or _AWAY.search(text):
        return _away(server, text, uri)
    if _accepts_none(error):
        return ConfigurationError(
            f"{server} does not accept a request ({text}); check that its version is a supported one, and its limits"
        )
    if type(error) not in answers or error.code == _GONE_CODE or _GONE.search(text) or _OF_CLIENT.match(text):
        return JobError(f"{server} refused a request: {text}")
    return UnreachableError(f"{server} failed at a request ({text}); look at its log, and run this again")


def _words(error: Exception) -> str:
    """What an exception says; of gRPC's, whose text has its reason twice, the status and the reason."""
    from grpc import Call, RpcError

    if isinstance(error, RpcError) and isinstance(error, Call):
        return f"{error.code().name}: {error.details()}"
    return str(getattr(error, "message", None) or error)


def _away(server: str, text: str, uri: str) -> JobError:
    name = token_variable()
    wrong = f"; a wrong {name} can look the same" if os.environ.get(name) else ""
    proxy = proxy_variable(urlsplit(uri).hostname or "") if uri.startswith(("http", "tcp")) else ""
    through = f", or add its host to no_proxy if it is not behind the proxy of {proxy}" if proxy else ""
    if not proxy and (problem := tls_problem(uri)):
        return ConfigurationError(f"{server} {problem}")
    return UnreachableError(f"{server} cannot be reached ({text}); check --milvus-uri and that it runs{through}{wrong}")


def _accepts_none(error: MilvusException) -> bool:
    """Whether Milvus refuses a request that it will refuse again."""
    text = str(error.message)
    return error.is_input_error or error.code in _REQUEST_CODES or _NOT_ACCEPTED.search(text) is not None
