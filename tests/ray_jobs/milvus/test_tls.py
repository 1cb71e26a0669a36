"""A server that speaks TLS where the URI says that it does not, and the other way round."""

import contextlib
import socket
import ssl
import threading

import pytest

from embedded.certificates import self_signed
from ingest.common.errors import ConfigurationError
from ingest.milvus import client
from ingest.milvus.client import connect
from ingest.milvus.tls import tls_problem


@pytest.fixture
def server(tmp_path):
    """The port of a server that answers as `speaks`: "TLS", "HTTP", or closes each connection."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(self_signed(tmp_path / "server.pem"))
    speaks = ["TLS"]
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            while speaks:
                connection, _ = listening.accept()
                with connection, contextlib.suppress(OSError):
                    if speaks == ["TLS"]:
                        context.wrap_socket(connection, server_side=True).close()
                    elif speaks == ["HTTP"]:
                        connection.recv(4096)
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}", speaks
        speaks.clear()
        socket.create_connection(listening.getsockname()).close()
        thread.join()


@pytest.mark.parametrize(
    ("scheme", "answers", "says"),
    [
        ("http", "TLS", "speaks TLS; write https://"),
        ("https", "HTTP", "does not speak TLS; write http://"),
        ("https", "TLS", "has a certificate that is not trusted (self"),
        ("http", "HTTP", ""),
        ("https", "", ""),
        ("http", "", ""),
    ],
)
def test_the_scheme_is_compared_with_what_the_server_speaks(server, scheme, answers, says):
    address, speaks = server
    speaks[:] = [answers]
    found = tls_problem(f"{scheme}://{address}")
    assert found.startswith(says) if says else not found


def test_a_certificate_of_the_file_that_grpc_reads_is_trusted(server, monkeypatch, tmp_path):
    address, _ = server
    monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(tmp_path / "server.pem"))
    assert not tls_problem(f"https://{address}")


def test_a_server_that_is_away_has_no_problem_with_tls(server):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert not tls_problem(f"https://127.0.0.1:{port}")


def test_a_uri_with_the_other_scheme_is_an_error_of_configuration(server, monkeypatch):
    monkeypatch.setattr(client, "CONNECT_TIMEOUT", 2.0)
    address, speaks = server
    speaks[:] = ["HTTP"]
    with pytest.raises(ConfigurationError, match=r"Milvus at https://.*does not speak TLS; write http://"):
        connect(f"https://{address}")
