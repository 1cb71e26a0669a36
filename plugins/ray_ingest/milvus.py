"""The connection type ``milvus``: the address of the server that the jobs write to, and the Test button.

The jobs get the address and the database as a flag. They never get the token: it is in the environment of the Ray
nodes, under a name that the connection may give. The connection's own token is for Airflow's requests, which are those
of the Test button and of the page.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_ray.hooks.address import Server, base_url, without_name
from airflow_ray.hooks.connection import header_value
from ray_jobs_api.settings import is_loopback

if TYPE_CHECKING:
    from airflow.sdk import Connection

DEFAULT_CONN_ID = "milvus_default"

SERVER = Server("the Milvus server", 19530, "http://milvus:19530")

#: Milvus's rule for names of databases.
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_LIST_COLLECTIONS = "/v2/vectordb/collections/list"
#: Codes of Milvus (pkg/util/merr/errors.go): ErrDatabaseNotFound, ErrNeedAuthenticate, ErrPrivilegeNotPermitted.
_NO_DATABASE = 800
_NO_TOKEN = (1800, 1801, 2000)
#: In seconds: somebody waits for the answer.
_TIMEOUT = 10.0


@dataclass(frozen=True)
class MilvusServer:
    """A Milvus server and a database of it.

    :param address: such as ``http://milvus:19530``.
    :param database: empty for the server's default.
    :param token: ``user:password`` or an API key; empty for a server without authorization.
    :param token_variable: name of the environment variable of the Ray nodes with the token; empty for MILVUS_TOKEN.
    """

    address: str
    database: str = ""
    token: str = field(default="", repr=False)
    token_variable: str = ""

    @property
    def uri(self) -> str:
        """The value of the scripts' flag ``--milvus-uri``."""
        return f"{self.address}/{self.database}" if self.database else self.address


def milvus_server(connection: Connection) -> MilvusServer:
    """Read a connection: its address and token, and the database from the path or the extra ``database``.

    Raises ``ValueError`` with one sentence when a field is missing or malformed.
    """
    where = f"connection '{connection.conn_id}'"
    url = urlsplit(base_url(connection, where, SERVER))
    try:
        extra = json.loads(connection.extra or "{}")
        database, variable = (str(extra.get(key) or "").strip() for key in ("database", "token_variable"))
    except (ValueError, AttributeError):
        raise ValueError(f"The extra field of {where} must be a JSON object.") from None
    in_path = url.path.strip("/")
    if database and in_path and database != in_path:
        raise ValueError(f"The {where} names two databases: {in_path} in its address, and {database}.")
    database = database or in_path
    if database and not _DATABASE.fullmatch(database):
        raise ValueError(f"The database of {where} must consist of letters, digits and underscores: {database!r}.")
    if variable and not variable.isidentifier():  # such as the token itself
        raise ValueError(f"The field 'token_variable' of {where} must be the name of an environment variable.")
    # Like pymilvus, which takes the scheme's port for https only.
    port = f":{SERVER.port}" if url.scheme == "http" and not url.port else ""
    password = (connection.password or "").strip()
    token = f"{connection.login}:{password}" if connection.login and password else password
    header_value(token, "token", where)
    return MilvusServer(f"{url.scheme}://{url.netloc}{port}", database, token, variable)


def milvus(connections: Any) -> MilvusServer:
    """The server of the connection DEFAULT_CONN_ID, for templates: ``{{ milvus(conn).uri }}``.

    A malformed connection fails the task permanently. A missing one does not, since Airflow reports it as missing also
    while its secrets backend is away.
    """
    log = logging.getLogger("airflow.task")
    connection = connections.get(DEFAULT_CONN_ID, None)
    if connection is None:
        sentence = f"Make the connection {DEFAULT_CONN_ID} of type milvus, with a host such as {SERVER.example}."
        log.error("%s", sentence)
        raise AirflowException(sentence)
    try:
        return milvus_server(connection)
    except ValueError as error:
        log.error("%s", error)
        raise AirflowFailException(str(error)) from None


class MilvusHook(BaseHook):
    """A connection to Milvus, for the form and the Test button."""

    conn_name_attr = "conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = "milvus"
    hook_name = "Milvus"

    def __init__(self, conn_id: str = DEFAULT_CONN_ID) -> None:
        super().__init__()
        self.conn_id = conn_id

    def test_connection(self) -> tuple[bool, str]:
        """What the button *Test* shows: the number of collections, or the part that is at fault and the reason.

        Airflow runs it in the API server, under a connection id of its own.
        """
        try:
            return asyncio.run(_diagnose(milvus_server(self.get_connection(self.conn_id))))
        except ValueError as error:
            return False, without_name(error, self.conn_id)


async def _diagnose(server: MilvusServer) -> tuple[bool, str]:
    """Whether the server lists the database's collections, and one sentence.

    It asks Milvus's REST API, because only the API server may have pymilvus.
    """
    import aiohttp

    headers = {"Authorization": f"Bearer {server.token}"} if server.token else {}
    body = {"dbName": server.database} if server.database else {}
    where = f"Milvus at {server.address}"
    try:
        async with (
            aiohttp.ClientSession(
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT),
                trust_env=not is_loopback(server.address),  # HTTP(S)_PROXY and NO_PROXY
            ) as session,
            session.post(server.address + _LIST_COLLECTIONS, json=body, allow_redirects=False) as response,
        ):
            status, text = response.status, await response.text(errors="replace")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return _no_answer(error, where)
    try:
        answer = json.loads(text)
        code, message = int(answer["code"]), str(answer.get("message") or "").rstrip(".")
    except (ValueError, KeyError, TypeError, AttributeError):
        if status in (401, 403):
            return False, f"Token: {where} refuses the token (HTTP {status}); put user:password into its field."
        return False, f"Address: the server at {server.address} does not answer like Milvus (HTTP {status})."
    if status in (401, 403) or code in _NO_TOKEN:
        return False, f"Token: {where} refuses the token ({message}); put user:password into its field."
    if code == _NO_DATABASE:
        return False, f"Database: {where} has no database {server.database} ({message})."
    if code not in (0, 200):
        return False, f"Milvus: {where} refuses to list its collections ({message or code})."
    return True, f"{where} has {len(answer.get('data') or [])} collections."


def _no_answer(error: Exception, where: str) -> tuple[bool, str]:
    import aiohttp

    if isinstance(error, aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError):
        return False, f"Proxy: the proxy of the environment does not let Airflow reach {where}; see NO_PROXY."
    if isinstance(error, aiohttp.ClientResponseError) and error.status == 400:
        return True, f"{where} speaks gRPC only, as Milvus Lite does; its token and its database were not tested."
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return False, f"TLS: the certificate of {where} is not trusted ({error.certificate_error})."
    if isinstance(error, aiohttp.ClientSSLError):
        return False, f"TLS: {where} does not speak it ({error.os_error.strerror}); does it want http?"
    return False, f"Address: {where} cannot be reached ({_reason(error)})."


def _reason(error: Exception) -> str:
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its host name cannot be resolved"
    if isinstance(error, aiohttp.ClientConnectorError) and (number := error.os_error.errno or 0) > 0:
        return os.strerror(number)
    return f"no answer within {_TIMEOUT:g} s" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
