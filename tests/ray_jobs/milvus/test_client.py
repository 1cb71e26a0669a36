"""Connections to Milvus that fail or are refused, and literals in filter expressions."""

import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import MagicMock

import grpc
import pytest
from pymilvus.exceptions import DataNotMatchException, MilvusException

from embedded.milvus_lite import MilvusLite
from embedded.processes import base_environment
from ingest.common.errors import ConfigurationError, JobError, UnreachableError
from ingest.milvus.client import (
    LITE_PAGE,
    PAGE,
    check_prefix,
    connect,
    errors_as_sentences,
    is_lite,
    query_pages,
)
from ingest.milvus.expressions import literal, literal_list
from ingest.milvus.refusals import refuses_rows

RAY_JOBS = Path(__file__).parents[3] / "ray_jobs"
TOKEN = "token-that-no-one-may-see"


def refusal(kind, uri):
    with pytest.raises(kind) as caught:
        connect(uri)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert TOKEN not in sentence
    return sentence


def test_connect_reaches_milvus_lite_and_recognises_it(milvus):
    assert is_lite(connect(milvus.uri))


@pytest.mark.parametrize(("version", "size"), [("milvus-lite 3.2.2", LITE_PAGE), ("2.3.5-lite", PAGE), ("3.0", PAGE)])
def test_milvus_lite_is_asked_for_larger_pages(version, size):
    client = MagicMock(**{"get_server_version.return_value": version, "query_iterator.return_value.next": list})
    assert list(query_pages(client, "sources", 'source != ""', ["source"], key="source")) == []
    assert client.query_iterator.call_args.kwargs["batch_size"] == size


@pytest.mark.parametrize("token", ["", TOKEN])
def test_a_closed_port_is_unreachable_and_the_message_mentions_a_token_that_is_set(monkeypatch, token):
    monkeypatch.setenv("MILVUS_TOKEN", token)
    with socket.socket() as reserved:  # bound and not listening: connections are refused
        reserved.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        sentence = refusal(UnreachableError, uri)
    assert f"Milvus at {uri} cannot be reached" in sentence
    assert ("a wrong MILVUS_TOKEN can look the same" in sentence) == bool(token)


def test_the_token_may_be_in_a_variable_of_another_name(monkeypatch):
    made = {}
    monkeypatch.setattr("pymilvus.MilvusClient", lambda **options: made.update(options) or MagicMock())
    monkeypatch.setenv("MILVUS_TOKEN", "not-this")
    monkeypatch.setenv("TEAM_A", TOKEN)
    monkeypatch.setenv("MILVUS_TOKEN_VARIABLE", "TEAM_A")
    connect("http://milvus:19530")
    assert made["token"] == TOKEN


@pytest.mark.tier("parts")
def test_connect_waits_for_a_server_that_is_restarting(tmp_path):
    with MilvusLite(tmp_path) as server:
        server.kill()
        with pytest.raises(UnreachableError):
            connect(server.uri)
        restart = threading.Thread(target=server.start)
        restart.start()
        connect(server.uri, retry_seconds=60).list_collections()
        restart.join()


@pytest.mark.parametrize("uri", ["", "nonsense", "milvus.example:19530", "./data.db", "/tmp/data.db", "file:///x.db"])
def test_a_uri_that_names_no_server_is_a_configuration_error(uri):
    assert "milvus-lite server" in refusal(ConfigurationError, uri)


@pytest.mark.parametrize("uri", ["http://", "http://127.0.0.1:notaport"])
def test_a_uri_without_host_or_port_gives_a_clear_message(uri):
    assert uri in refusal(JobError, uri)


def test_a_database_in_the_uri_is_that_database(milvus, milvus_client):
    milvus_client.create_database("team_a")
    milvus_client.create_collection("only_in_default", 4)
    ours = connect(f"{milvus.uri}/team_a")
    assert ours.list_collections() == []
    assert not ours.has_collection("only_in_default")
    ours.create_collection("only_in_team_a", 4)
    assert not milvus_client.has_collection("only_in_team_a")
    ours.drop_collection("only_in_team_a")
    milvus_client.drop_collection("only_in_default")
    milvus_client.drop_database("team_a")


@pytest.mark.parametrize("path", ["/no_such", "/team_a/more", "?db=team_a", "/?db=team_a", "#team_a", "/team%5Fa"])
def test_a_database_that_is_none_is_a_configuration_error(milvus, path):
    refusal(ConfigurationError, milvus.uri + path)


def test_a_password_in_the_uri_is_not_shown():
    assert "hidden" not in refusal(ConfigurationError, "ftp://root:hidden@127.0.0.1:1")


@pytest.mark.parametrize("uri", ["http://root:hidden/x@h:1", "http://root:hidden#x@h:1", "root:hidden@h:1"])
def test_a_password_in_an_odd_uri_is_not_shown(uri):
    assert "hidden" not in refusal(ConfigurationError, uri)


def test_connect_ignores_the_variable_that_pymilvus_reads(milvus):
    program = "from ingest.milvus.client import connect; import sys; connect(sys.argv[1])"
    environment = {**base_environment(), "MILVUS_URI": "./local.db", "PYTHONPATH": str(RAY_JOBS)}
    subprocess.run([sys.executable, "-c", program, milvus.uri], env=environment, check=True, timeout=120)


@pytest.mark.parametrize("prefix", ["", "a", "_a", "team_1_", "A" * 200])
def test_collection_prefixes_are_checked_as_milvus_would(prefix):
    check_prefix(prefix)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MilvusException(code=65535, message="auth check failure, please check"), ConfigurationError),
        (MilvusException(code=1, message="PERMISSION_DENIED: no"), ConfigurationError),
        (MilvusException(code=65535, message="PrivilegeInsert: permission deny to reader"), ConfigurationError),
        (MilvusException(code=2, message="whatever"), UnreachableError),
        (MilvusException(code=1, message="The cluster is suspended"), UnreachableError),
        (MilvusException(code=101, message="collection not loaded"), UnreachableError),
        (MilvusException(code=1, message="Collection 'x' is in state 'released'; call load()"), UnreachableError),
        (MilvusException(code=1, message="channel c is not available in any replica"), UnreachableError),
        (MilvusException(code=106, message="collection on recovering"), UnreachableError),
        (MilvusException(code=901, message="node not found"), UnreachableError),
        (MilvusException(code=65535, message="proxy: context canceled"), UnreachableError),
        (MilvusException(code=65535, message="nodeid mismatch, expected 5, actual 7"), UnreachableError),
        (MilvusException(code=65535, message="etcdserver: request timed out"), UnreachableError),
        (MilvusException(code=65535, message="wait for flush timeout"), UnreachableError),
        (MilvusException(code=65535, message="etcdserver: mvcc: database space exceeded"), UnreachableError),
        (MilvusException(code=1, message="Received http2 header with status: 502"), UnreachableError),
        (MilvusException(code=1, message="Received http2 header with status: 404"), ConfigurationError),
        (MilvusException(code=1, message="unknown service milvus.proto.milvus.MilvusService"), ConfigurationError),
        (MilvusException(code=1, message="[Errno 13] Permission denied: '/data/a.log'"), UnreachableError),
        (MilvusException(code=65535, message="mkdir /var/lib/milvus/rdb: permission denied"), UnreachableError),
        (MilvusException(code=1, message="[Errno 30] Read-only file system: '/data/a.log'"), UnreachableError),
        (ConnectionResetError("reset by peer"), UnreachableError),
    ],
    ids=lambda value: str(value)[:30],
)
def test_each_error_of_pymilvus_becomes_the_sentence_for_its_cause(error, kind):
    with pytest.raises(kind), errors_as_sentences("http://h:1"):
        raise error


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (503, "fail to search on QueryNode 4: channel not available[channel=channel distribution is not serviceable]"),
        (503, "failed to search: channel lacks[channel=channel not subscribed]"),
        (1, "proxy not healthy"),
        (500, "channel not found[channel=by-dev-rootcoord-dml_3_449v0]"),
        (1, "empty grpc client: find no client of the coordinator"),
        (1001, "io failed[key=files/insert_log/7]: the object storage does not answer"),
        (1, "QueryNode 23 can't serve, recovering: target node id not match"),
        (1, "server is not healthy, please try again later"),
        (1, "find no available rootcoord, check rootcoord state"),
        (1, "role rootcoord[nodeID: 0] is not serving, reason: state code: Abnormal"),
        (1, "collection 7 has not been loaded to memory or load failed"),
        (65535, "code: STREAMING_CODE_TRANSACTION_EXPIRED, cause: some message has been expired"),
    ],
)
def test_a_server_that_answers_that_it_is_not_ready_is_waited_for(code, message):
    with pytest.raises(UnreachableError, match="is not ready") as caught, errors_as_sentences("http://h:1"):
        raise MilvusException(code=code, message=message)
    assert message in str(caught.value)
    assert not refuses_rows(MilvusException(code=code, message=message))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (9, "quota exceeded[reason=disk quota exceeded, please allocate more resources]"),
        (9, "force to deny writing: memory quota exceeded, please allocate more resources"),
        (3, "memory limit exceeded[predict=9][limit=8]"),
        (65535, "deny to write the message to mq: disk quota exhausted"),
        (1, "[Errno 28] No space left on device"),
        (1, "exceeded the limit number of collections[limit=65536]"),
        (65535, "failed checking general capacity: exceeded max general capacity"),
        (46, "deny to write"),
        (52, "deny to load, insufficient memory, please allocate more resources, collectionName: hello_milvus"),
        (65535, "show collection failed: load segment failed, OOM if load, maxSegmentSize = 273.5 MB"),
        (65535, "request limit exceeded[limit=1024]"),
        (8, "rate type: DDLCollection: request is rejected by grpc RateLimiter middleware, please retry later"),
        (8, "Retry timeout: 120.0s, message=request is rejected by grpc RateLimiter: rate limit exceeded[rate=1]"),
    ],
)
def test_a_quota_that_is_used_up_is_an_outage_that_is_named(code, message):
    with pytest.raises(UnreachableError) as caught, errors_as_sentences("http://h:1"):
        raise MilvusException(code=code, message=message)
    assert message in str(caught.value)
    assert not refuses_rows(MilvusException(code=code, message=message))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (1100, "the length (189484) of json field (metadata) exceeds max length (65536): invalid parameter"),
        (5, "the length (1748) of 0th string exceeds max length (1746): expected=valid length string"),
        (1, "invalid input of field (text), length of string exceeds max length. length: 70000, max length: 65535"),
        (1100, "value 'NaN' is not a number or infinity, field embedding"),
        (1, "Unexpected error, message=<'utf-8' codec can't encode character '\\ud800'>"),
    ],
)
def test_a_row_that_cannot_be_stored_is_recognised(code, message):
    assert refuses_rows(MilvusException(code=code, message=message))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (1, "getSegmentID failed: SegmentIDAllocator failRemainRequest unexpected error"),
        (65535, "failed to search/query delegator 3 for channel c: fail to search on QueryNode 3: unrecoverable error"),
        (1, "Create collection failed: send dd create collection req failed, error = message send timeout"),
        (65535, "failed to allocate msg id"),
        (65535, "append failed: storage is not writable"),
        (2000, "query failed: UnknownError: => failed to get vector, faiss inner error"),
        (65535, "runtime error: invalid memory address or nil pointer dereference"),
        (65535, "words that nobody has seen before"),
    ],
)
def test_an_error_of_the_insides_of_milvus_is_one_of_the_server_whatever_its_words_are(code, message):
    with pytest.raises(UnreachableError, match="look at its log") as caught, errors_as_sentences("http://h:1"):
        raise MilvusException(code=code, message=message)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        MilvusException(code=1100, message="field x does not exist"),
        MilvusException(code=1100, message="create index on 104 field is not supported: invalid parameter"),
        MilvusException(code=1, message="CreateIndex failed: index already exist, but parameters are inconsistent"),
        MilvusException(code=65535, message="failed to create query plan: cannot parse expression: a ~ 1"),
        MilvusException(code=65535, message="metric type BM25 not found or not supported, supported: [L2 IP COSINE]"),
        MilvusException(code=1, message="invalid dimension: 40000. should be in range 2 ~ 32768"),
        MilvusException(code=65535, message="words that nobody has seen before", is_input_error=True),
    ],
)
def test_a_request_that_milvus_will_refuse_again_is_not_tried_again(error):
    with pytest.raises(ConfigurationError, match="check that its version"), errors_as_sentences("http://h:1"):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        MilvusException(code=100, message="collection not found[collection=a_pages]"),
        MilvusException(code=1, message="Unexpected error, message=<'NoneType' object is not iterable>"),
        DataNotMatchException(message="The Input data type is inconsistent with defined schema"),
    ],
)
def test_an_error_of_the_client_or_about_a_collection_that_is_gone_is_neither_configuration_nor_an_outage(error):
    with pytest.raises(JobError) as caught, errors_as_sentences("http://h:1"):
        raise error
    assert type(caught.value) is JobError


@pytest.fixture
def nothing_implemented():
    """The URI of a gRPC server that knows no method."""
    server = grpc.server(ThreadPoolExecutor(2))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop(None)


def test_another_grpc_server_at_the_address_is_named(nothing_implemented):
    sentence = refusal(ConfigurationError, nothing_implemented)
    assert f"Milvus at {nothing_implemented} answers, but not as Milvus does" in sentence
    assert "check --milvus-uri" in sentence


def test_an_older_milvus_that_lacks_a_method_is_to_be_updated():
    with pytest.raises(ConfigurationError, match="update Milvus"), errors_as_sentences("http://h:1"):
        raise MilvusException(code=1, message="Received UNIMPLEMENTED from server. Please first verify that")


def test_other_exceptions_pass_unchanged():
    with pytest.raises(KeyError), errors_as_sentences("http://h:1"):
        raise KeyError("x")


def test_literals_escape_special_characters():
    assert literal('a"b\\c\nd') == '"a\\"b\\\\c\\nd"'
    assert literal_list(["a", '"']) == '["a", "\\""]'


def test_a_stopped_cluster_is_to_be_resumed():
    with pytest.raises(UnreachableError, match="resume it"), errors_as_sentences("http://h:1"):
        raise MilvusException(code=1, message="The action is unavailable under current cluster status STOPPED.")


def test_the_scheme_of_the_uri_may_be_in_capitals(milvus):
    connect(milvus.uri.replace("http", "HTTP"))
