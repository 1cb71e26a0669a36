"""What `serve_search.py` refuses before it asks a cluster."""

import json
import sys

import pytest

from ingest.common.errors import ConfigurationError
from ingest.run.flags import FlagParser
from ingest.service.command_line import FLAGS, ServiceReport, _reranker, run_service
from ingest.service.deployment import _reason
from ingest.service.searching import SearchService
from ingest.service.settings import ServiceSettings

URI = ["--milvus-uri", "http://127.0.0.1:1"]


@pytest.fixture(autouse=True)
def _outside_of_a_job(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "the following arguments are required: --milvus-uri"),
        (["--status", "--remove"], "--status and --remove contradict each other"),
        ([*URI, "--replicas", "3", "--max-replicas", "2"], "--max-replicas is below --replicas"),
        ([*URI, "--num-gpus", "1.5"], "1.5 is no number of GPUs: give a part of one, or whole ones"),
        ([*URI, "--num-cpus", "0"], "0 is not a positive number"),
        ([*URI, "--in", "books"], "'books': name any of pages,images,spoken,frames"),
        ([*URI, "--route", "documents"], "'documents' is not a path such as /documents"),
        ([*URI, "--name", "a/b"], "'a/b' is not a name of letters, digits, _, . and -"),
        ([*URI, "--model-paths", '{"m": 1}'], "--model-paths is not a JSON object of names and paths"),
        ([*URI, "--token-file", "tokens"], "'tokens' is not an absolute path"),
        ([*URI, "--token-variable", "the token itself"], "'the token itself' is not a name of a variable"),
    ],
)
def test_a_wrong_flag_is_one_sentence(flags, sentence, capsys):
    with pytest.raises(SystemExit) as caught:
        run_service(flags, "")
    errors = capsys.readouterr().err
    assert (caught.value.code, errors.startswith("ERROR: bad arguments: "), sentence in errors) == (2, True, True), (
        errors
    )


def test_parts_of_a_gpu_and_whole_ones_are_numbers():
    given = [FlagParser("", FLAGS).parse_args(["--num-gpus", text]).num_gpus for text in ("0", "0.25", "1", "2")]
    assert given == [0, 0.25, 1, 2]


def test_without_a_cluster_the_service_would_end_at_once(capsys):
    assert run_service(URI, "") == 2
    assert "ERROR: RAY_ADDRESS names no cluster, and the service would end with this" in capsys.readouterr().err


def test_without_ray_serve_the_remedy_is_named(monkeypatch, capsys):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "ray", None)
    assert run_service(URI, "") == 2
    errors = capsys.readouterr().err
    assert "Ray Serve is not installed on the node that runs this" in errors
    assert "install the extra `serve` of this project, or ray[serve], on every Ray node" in errors


def test_the_sentence_of_a_replica_is_found_in_what_serve_says():
    told = [
        "Failed to update the deployments ['SearchReplica'].",
        "A replica failed to start with exception. Retrying 1 more time(s). Error:\n"
        "ray::ServeReplica:search:SearchReplica.initialize_and_get_metadata() (pid=1, ip=127.0.0.1)\n"
        '  File "tokens.py", line 70, in _checked\n'
        "ingest.common.errors.ConfigurationError: the variable has no token; put one there",
    ]
    assert _reason(told) == "the variable has no token; put one there"
    assert _reason(["a", "The last\nline says it."]) == "line says it."
    assert _reason([""]) == "Serve does not say why"


def test_a_service_that_sleeps_says_what_wakes_it():
    found = {"application": "search", "status": "RUNNING", "replicas": 0, "url": "http://h:8000", "ready": False}
    assert ServiceReport(found).summary() == (
        "search: RUNNING, 0 replicas, at http://h:8000; the next request starts one"
    )


def test_a_cross_encoder_that_only_other_nodes_have_is_looked_for_there(tmp_path):
    name, path = "maker/judge", str(tmp_path / "judge")
    flags = [*URI, "--reranker", name, "--model-paths", json.dumps({name: path})]
    assert _reranker(FlagParser("", FLAGS).parse_args(flags)) == name
    settings = ServiceSettings(URI[1], paths={name: path}, reranker=name)
    with pytest.raises(ConfigurationError, match=f"--model-paths '{path}'"):
        SearchService(settings)
