"""The connection to Milvus: what becomes of its fields, and the Test button's sentence for each part at fault."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from embedded.gateway import Gateway
from embedded.ports import free_ports
from ray_ingest.milvus import MilvusHook, milvus, milvus_server
from ray_ingest.provider_info import get_provider_info


def connection(**fields: Any) -> Connection:
    if isinstance(fields.get("extra"), dict):
        fields["extra"] = json.dumps(fields["extra"])
    return Connection(conn_id="milvus_default", conn_type="milvus", **fields)


@pytest.mark.parametrize(
    ("fields", "uri"),
    [
        ({"host": "milvus"}, "http://milvus:19530"),
        ({"host": "http://milvus"}, "http://milvus:19530"),
        ({"host": "milvus", "port": 19531, "schema": "https"}, "https://milvus:19531"),
        ({"host": "https://in01.example.com"}, "https://in01.example.com"),
        ({"host": "2001:db8::7"}, "http://[2001:db8::7]:19530"),
        ({"host": "milvus", "extra": {"database": " team_a "}}, "http://milvus:19530/team_a"),
        ({"host": "http://milvus:19530/team_a/"}, "http://milvus:19530/team_a"),
        ({"host": "http://milvus:19530/team_a", "extra": {"database": "team_a"}}, "http://milvus:19530/team_a"),
    ],
)
def test_the_jobs_get_the_address_and_the_database(fields, uri):
    assert milvus({"milvus_default": connection(password="root:secret", **fields)}).uri == uri


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "has no address: set its host, such as http://milvus:19530"),
        ({"host": "http://root:pw@milvus:19530"}, "Put the token of connection 'milvus_default' into its password"),
        ({"host": "http://milvus/a", "extra": {"database": "b"}}, "two databases: a in its address, and b"),
        ({"host": "http://milvus/a/b"}, "must consist of letters, digits and underscores: 'a/b'"),
        ({"host": "milvus", "extra": "[]"}, "must be a JSON object"),
        ({"host": "milvus", "password": "root:\x00secret"}, "holds a line break or another control character"),
        ({"host": "milvus", "login": "root\n", "password": "x"}, "holds a line break or another control character"),
        ({"host": "milvus", "extra": {"token_variable": "root:pw"}}, "must be the name of an environment variable"),
        ({"host": "milvus", "schema": "grpc"}, "must be http:// or https:// and point at the Milvus server"),
    ],
)
def test_wrong_fields_are_named(fields, sentence):
    with pytest.raises(ValueError, match="connection 'milvus_default'") as caught:
        milvus_server(connection(**fields))
    assert sentence in str(caught.value)


def test_without_the_connection_a_task_says_so_and_may_be_retried():
    with pytest.raises(AirflowException, match="Make the connection milvus_default of type milvus"):
        milvus({})


def test_a_malformed_connection_fails_a_task_permanently():
    with pytest.raises(AirflowFailException, match="The connection 'milvus_default' has no address"):
        milvus({"milvus_default": connection()})


def test_the_token_does_not_show():
    server = milvus_server(connection(host="milvus", login="root", password="secret"))
    assert server.token == "root:secret"
    assert "secret" not in repr(server) and "secret" not in server.uri


def test_airflow_knows_the_form():
    from airflow.providers_manager import ProvidersManager
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    assert ProvidersManagerTaskRuntime().hooks["milvus"].hook_class_name == "ray_ingest.milvus.MilvusHook"
    assert "extra__milvus__database" in ProvidersManager().connection_form_widgets
    assert [kind["connection-type"] for kind in get_provider_info()["connection-types"]] == ["ray", "milvus"]


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway("http://127.0.0.1:9") as gateway:
        yield gateway


def asked(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> tuple[bool, str]:
    monkeypatch.setattr(MilvusHook, "get_connection", lambda self, conn_id: connection(**fields))
    return MilvusHook("milvus_default").test_connection()


def test_a_server_on_this_machine_is_asked_without_the_proxy_of_the_environment(gateway, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with gateway.answers("POST /v2/vectordb/collections/list", 200, '{"code": 0, "data": ["documents"]}'):
        assert asked(monkeypatch, host=gateway.url) == (True, f"Milvus at {gateway.url} has 1 collections.")


@pytest.mark.parametrize(
    ("status", "answer", "says"),
    [
        (401, {"code": 1800, "message": "user hasn't authenticated"}, "Token: Milvus at {} refuses the token (user"),
        (403, "no", "Token: Milvus at {} refuses the token (HTTP 403); put user:password into its field."),
        (200, {"code": 800, "message": "database not found"}, "Database: Milvus at {} has no database team_a (datab"),
        (200, {"code": 5, "message": "busy."}, "Milvus: Milvus at {} refuses to list its collections (busy)."),
        (404, "404 page not found", "Address: the server at {} does not answer like Milvus (HTTP 404)."),
        (200, "<html>Sign in</html>", "Address: the server at {} does not answer like Milvus (HTTP 200)."),
    ],
)
def test_the_part_at_fault_is_named(gateway, monkeypatch, status, answer, says):
    text = answer if isinstance(answer, str) else json.dumps(answer)
    with gateway.answers("POST /v2/vectordb/collections/list", status, text):
        good, sentence = asked(monkeypatch, host=gateway.url, extra={"database": "team_a"})
    assert not good
    assert sentence.startswith(says.format(gateway.url))


def test_a_server_that_can_be_used_is_asked_with_the_token(gateway, monkeypatch):
    with gateway.answers("POST /v2/vectordb/collections/list", 200, '{"code": 0, "data": ["a", "b"]}'):
        assert asked(monkeypatch, host=gateway.url, password="root:pw") == (
            True,
            f"Milvus at {gateway.url} has 2 collections.",
        )
    assert gateway.headers[-1]["Authorization"] == "Bearer root:pw"


def test_an_address_at_which_nothing_listens(monkeypatch):
    (port,) = free_ports(1)
    sentence = f"Address: Milvus at http://127.0.0.1:{port} cannot be reached (Connection refused)."
    assert asked(monkeypatch, host=f"127.0.0.1:{port}") == (False, sentence)


def test_a_proxy_of_the_environment(monkeypatch):
    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_ports(1)[0]}")
    good, sentence = asked(monkeypatch, host="milvus.invalid")
    assert not good and sentence.startswith("Proxy: the proxy of the environment does not let Airflow reach")


def test_tls_on_a_port_that_speaks_none(gateway, monkeypatch):
    good, sentence = asked(monkeypatch, host=gateway.url.replace("http://", "https://"))
    assert not good and sentence.startswith("TLS: ") and sentence.endswith("does it want http?")


def test_a_server_that_speaks_grpc_only(monkeypatch):
    """As Milvus Lite answers: with HTTP/2."""
    loop = asyncio.new_event_loop()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x00\x18\x04\x00\x00\x00\x00\x00\x00\x04\x00@\x00\x00")
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(greet, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        good, sentence = asked(monkeypatch, host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert good and "speaks gRPC only" in sentence


def test_a_malformed_connection_is_one_sentence_without_the_tests_own_name(monkeypatch):
    good, sentence = asked(monkeypatch, host="")
    assert (good, sentence) == (False, "The connection has no address: set its host, such as http://milvus:19530.")
