"""A Milvus that knows the user and refuses the request: a privilege is missing."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from pymilvus.exceptions import MilvusException

from ingest.common.errors import ConfigurationError
from ingest.milvus.client import connect, errors_as_sentences


class Refusing(grpc.GenericRpcHandler):
    """Answers the request that opens a connection, and every other one with a status."""

    def __init__(self, status, reason):
        self._status, self._reason = status, reason

    def service(self, handler_call_details):
        opens = handler_call_details.method.endswith("/Connect")
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: b"" if opens else context.abort(self._status, self._reason)
        )


@pytest.fixture
def refused():
    """The sentence of a connection to a gRPC server that refuses every other request."""
    servers = []

    def sentence(status, reason):
        server = grpc.server(ThreadPoolExecutor(2))
        servers.append(server)
        server.add_generic_rpc_handlers((Refusing(status, reason),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with pytest.raises(ConfigurationError) as caught:
            connect(f"http://127.0.0.1:{port}")
        assert "RPC" not in str(caught.value)
        assert "Rendezvous" not in str(caught.value)
        assert str(caught.value).count(reason) == 1
        return str(caught.value)

    yield sentence
    for server in servers:
        server.stop(None)


def test_a_privilege_that_is_missing_is_named_with_the_reason_once(refused):
    reason = "PrivilegeShowCollections: permission deny to etl in the `default` database"
    sentence = refused(grpc.StatusCode.PERMISSION_DENIED, reason)
    assert "grant the privilege ShowCollections to a role of the user" in sentence


def test_credentials_that_milvus_does_not_know_are_no_missing_privilege(refused):
    sentence = refused(grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check username and password")
    assert "refuses the credentials" in sentence
    assert "check MILVUS_TOKEN" in sentence


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("PrivilegeInsert: permission deny to reader", "grant the privilege Insert to"),
        ("PERMISSION_DENIED: no", "grant the privilege that is missing to"),
        ("PERMISSION_DENIED: Received http2 header with status: 403", "refuses the credentials"),
    ],
)
def test_a_refusal_says_whether_a_privilege_is_missing(message, words):
    with pytest.raises(ConfigurationError, match=words), errors_as_sentences("http://h:1"):
        raise MilvusException(code=1, message=message)
