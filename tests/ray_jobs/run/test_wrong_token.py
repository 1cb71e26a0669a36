"""A Milvus server with authorization: 2.3.5, the last release that a Python package contains."""

import pytest

from embedded.milvus_server import TOKEN
from ingest.common.errors import UnreachableError
from ingest.milvus.client import connect, is_lite

RIGHT, WRONG = TOKEN, "root:wrong-token-value"


def test_the_right_token_is_accepted(milvus_server, monkeypatch):
    monkeypatch.setenv("MILVUS_TOKEN", RIGHT)
    assert not is_lite(connect(milvus_server.uri))


def test_the_error_for_a_wrong_token_suspects_the_token(milvus_server, monkeypatch):
    monkeypatch.setenv("MILVUS_TOKEN", WRONG)
    with pytest.raises(UnreachableError) as caught:
        connect(milvus_server.uri)
    assert "a wrong MILVUS_TOKEN can look the same" in str(caught.value)
    assert "wrong-token-value" not in str(caught.value)


def test_a_wrong_token_ends_the_script_with_one_line_without_the_secret(milvus_server, plain_jobs):
    flags = ["--source", "s3://ray-jobs-ingest/x/", "--milvus-uri", milvus_server.uri]
    result = plain_jobs.run("ingest_pdfs.py", *flags, MILVUS_TOKEN=WRONG)
    assert result.code == 4
    assert "a wrong MILVUS_TOKEN can look the same" in result.error
    assert "wrong-token-value" not in result.stdout + result.stderr


def test_a_missing_token_is_refused_too(milvus_server, plain_jobs):
    flags = ["--source", "s3://ray-jobs-ingest/x/", "--milvus-uri", milvus_server.uri]
    assert plain_jobs.run("ingest_pdfs.py", *flags, MILVUS_TOKEN="").code == 4
