"""RAY_ADDRESS in each form, and the sentence for a head that would not let Ray connect."""

import socket
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from embedded.dashboard import Dashboard
from ingest.common.errors import ConfigurationError, UnreachableError
from ingest.run.ray_address import check_head, ray_address, token

TOKEN = "token-that-no-one-may-see"


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("", ""),
        (" head:6379 ", "head:6379"),
        ("auto", "auto"),
        ("RAY://head:10001/", "ray://head:10001"),
        ("https://gw.example.com/ray/", "https://gw.example.com/ray"),
        ("http://[2001:db8::7]:8265", "http://[2001:db8::7]:8265"),
    ],
)
def test_addresses(given, address, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", given)
    assert ray_address() == address


@pytest.mark.parametrize(
    "given", ["anyscale://x", "http://", "http://h:x", "http://user:hidden@h", "http://h?token=hidden"]
)
def test_a_wrong_address_is_refused_without_its_secrets(given, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", given)
    with pytest.raises(ConfigurationError, match="RAY_ADDRESS must be") as caught:
        ray_address()
    assert "hidden" not in str(caught.value)


class Head(grpc.GenericRpcHandler):
    """Knows one method, and wants a token if there is one."""

    def __init__(self, method, token=""):
        self._method, self._token = method, token

    def service(self, details):
        if not details.method.endswith(self._method):
            return None

        def answer(request, context):
            if self._token and ("authorization", f"Bearer {self._token}") not in context.invocation_metadata():
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def serve():
    servers = []

    def at(handler):
        server = grpc.server(ThreadPoolExecutor(1), handlers=[handler])
        servers.append(server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        return f"127.0.0.1:{port}"

    yield at
    for server in servers:
        server.stop(None)


@pytest.mark.parametrize(("scheme", "method"), [("", "CheckAlive"), ("ray://", "ClusterInfo")])
def test_a_head_of_the_right_kind_passes(serve, scheme, method):
    check_head(scheme + serve(Head(method)))


@pytest.mark.parametrize(
    ("scheme", "method", "sentence"),
    [
        ("", "ClusterInfo", "not the port of the GCS; for Ray Client write ray://127.0.0.1:"),
        ("ray://", "CheckAlive", "not the port of Ray Client; without ray:// it is that of the GCS"),
    ],
)
def test_the_other_port_of_a_head_is_named(serve, scheme, method, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        check_head(scheme + serve(Head(method)))


def test_a_head_that_wants_a_token_says_so(serve, monkeypatch):
    address = serve(Head("CheckAlive", TOKEN))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(ConfigurationError, match="wants a token; set RAY_AUTH_MODE=token"):
        check_head(address)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
    with pytest.raises(ConfigurationError, match="refuses the token; check RAY_AUTH_TOKEN") as caught:
        check_head(address)
    assert TOKEN not in str(caught.value)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    check_head(address)


def test_the_file_of_a_token_counts_only_where_ray_sends_it(monkeypatch, tmp_path):
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert token() is None
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert token() == TOKEN


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_closed_port_is_unreachable(scheme):
    with socket.socket() as reserved:  # bound and not listening
        reserved.bind(("127.0.0.1", 0))
        address = f"{scheme}127.0.0.1:{reserved.getsockname()[1]}"
        with pytest.raises(UnreachableError, match=f"the Ray cluster at {address} cannot be reached"):
            check_head(address)


def test_a_web_server_is_no_head():
    with Dashboard() as dashboard, pytest.raises(ConfigurationError, match="a web server answers there"):
        check_head(dashboard.url.removeprefix("http://"))
