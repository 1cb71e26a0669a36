"""Runs of `ingest_pdfs.py` that end before any work: each with its exit code and one sentence."""

import socket

import pytest

from embedded.pdfs import make_pdf

SCRIPT = "ingest_pdfs.py"
BUCKET = "ray-jobs-refused"


@pytest.fixture(scope="module")
def closed_port():
    """A loopback port that refuses connections while the module's tests run."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


def refused(jobs, code, *flags, source=f"s3://{BUCKET}/refused/", by_python=False, **environment):
    result = (jobs.run_by_python if by_python else jobs.run)(SCRIPT, "--source", source, *flags, **environment)
    assert result.code == code, result.stdout + result.stderr
    assert "REPORT" not in result.stdout
    assert result.stderr.strip() == result.error
    return result.error


@pytest.mark.parametrize("name", ["no-org/no-such-model", "no_such_model", "not a name!", "/no/such/model"])
def test_an_unknown_model_is_exit_code_2(plain_jobs, name):
    assert repr(name) in refused(plain_jobs, 2, "--embedding-model", name)


def test_a_folder_that_is_no_model_is_exit_code_2(plain_jobs, tmp_path):
    assert "is not a usable sentence-transformers model" in refused(plain_jobs, 2, "--embedding-model", str(tmp_path))


def test_chunks_larger_than_the_model_reads_are_exit_code_2(plain_jobs):
    assert "--chunk-tokens 255 is more than" in refused(plain_jobs, 2, "--chunk-tokens", "255")


def test_a_missing_bucket_is_exit_code_2(plain_jobs):
    assert "bucket 'no-such-bucket' does not exist" in refused(plain_jobs, 2, source="s3://no-such-bucket/x/")


def test_wrong_keys_of_the_store_are_exit_code_2(plain_jobs, object_store):
    object_store.bucket(BUCKET)
    error = refused(plain_jobs, 2, AWS_SECRET_ACCESS_KEY="wrong-secret-key")
    assert "refuses these credentials" in error
    assert "wrong-secret-key" not in error


def test_an_unreachable_store_is_exit_code_4(plain_jobs, closed_port):
    error = refused(plain_jobs, 4, AWS_ENDPOINT_URL=f"http://127.0.0.1:{closed_port}")
    assert f"the object store http://127.0.0.1:{closed_port} cannot be reached" in error


def test_an_unreachable_milvus_is_exit_code_4(plain_jobs, closed_port):
    error = refused(plain_jobs, 4, "--milvus-uri", f"http://127.0.0.1:{closed_port}", by_python=True)
    assert f"Milvus at http://127.0.0.1:{closed_port} cannot be reached" in error


def test_a_missing_folder_is_exit_code_2(plain_jobs):
    assert "there is no such folder" in refused(plain_jobs, 2, source="/no/such/folder", by_python=True)


def test_an_unknown_analyzer_is_exit_code_2(plain_jobs, tmp_path):
    (tmp_path / "a.pdf").write_bytes(make_pdf("text"))
    flags = ["--analyzer", "klingon", "--collection", "klingon_"]
    result = plain_jobs.run(SCRIPT, "--source", str(tmp_path), *flags)
    assert result.code == 2
    assert "--analyzer 'klingon'" in result.error


def test_the_error_for_a_missing_ray_head_names_ray_and_not_milvus(plain_jobs, tmp_path, closed_port):
    (tmp_path / "a.pdf").write_bytes(make_pdf("text"))
    flags = ["--source", str(tmp_path), "--collection", "headless_"]
    result = plain_jobs.run(SCRIPT, *flags, RAY_ADDRESS=f"127.0.0.1:{closed_port}")
    assert result.code == 4
    assert f"the Ray cluster at 127.0.0.1:{closed_port} cannot be reached" in result.error


def test_a_request_for_ocr_changes_nothing_where_ocr_is_off(plain_jobs, tmp_path):
    flags = ["--source", str(tmp_path), "--ocr", "off", "--resources", '{"ocr": {"actors": 1}}', "--dry-run"]
    assert plain_jobs.run("ingest_pdfs.py", *flags).code == 0
