"""A proxy in the environment, which gRPC uses for Milvus too."""

import socket
import threading

import pytest

from ingest.common.errors import UnreachableError
from ingest.milvus.client import connect
from ingest.milvus.proxy import EXCEPTION_VARIABLES, PROXY_VARIABLES, proxy_variable


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in (*PROXY_VARIABLES, *EXCEPTION_VARIABLES):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def proxy():
    """The URL of a proxy that refuses every host, and the first lines of the requests to it."""
    requests = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                connection, _ = server.accept()
                with connection:
                    first, _, _ = connection.recv(4096).partition(b"\r\n")
                    if not first:
                        return
                    requests.append(first.decode())
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://user:hidden-password@127.0.0.1:{server.getsockname()[1]}", requests
        socket.create_connection(server.getsockname()).close()
        thread.join()


def refusal(uri):
    with pytest.raises(UnreachableError) as caught:
        connect(uri)
    return str(caught.value)


def test_the_proxy_on_the_way_to_a_server_is_named_and_not_its_password(proxy, monkeypatch):
    url, requests = proxy
    monkeypatch.setenv("http_proxy", url)
    sentence = refusal("http://milvus.example:19530")
    assert requests == ["CONNECT milvus.example:19530 HTTP/1.1"]
    assert "or add its host to no_proxy if it is not behind the proxy of http_proxy" in sentence
    assert "hidden-password" not in sentence


@pytest.mark.parametrize("name", PROXY_VARIABLES)
def test_a_server_on_this_machine_is_reached_without_the_proxy(name, proxy, monkeypatch):
    url, requests = proxy
    monkeypatch.setenv(name, url)
    assert "no_proxy" not in refusal("http://127.0.0.1:1")
    assert requests == []


@pytest.mark.parametrize(
    ("host", "environment", "name"),
    [
        ("milvus.example", {}, ""),
        ("milvus.example", {"HTTP_PROXY": "http://p"}, ""),
        ("milvus.example", {"https_proxy": "http://p", "http_proxy": "http://q"}, "https_proxy"),
        ("milvus.example", {"http_proxy": "http://p", "no_proxy": "other, .example"}, ""),
        ("milvus.example", {"http_proxy": "http://p", "no_proxy": "other", "no_grpc_proxy": "example"}, ""),
        ("milvus.example", {"http_proxy": "http://p", "no_proxy": "other,"}, "http_proxy"),
        ("10.1.2.3", {"http_proxy": "http://p", "no_proxy": "10.0.0.0/8"}, ""),
        ("11.1.2.3", {"http_proxy": "http://p", "no_proxy": "10.0.0.0/8"}, "http_proxy"),
        ("localhost", {"http_proxy": "http://p"}, ""),
        ("::1", {"http_proxy": "http://p"}, ""),
    ],
)
def test_the_variable_of_the_proxy_that_grpc_uses(host, environment, name, monkeypatch):
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert proxy_variable(host) == name
