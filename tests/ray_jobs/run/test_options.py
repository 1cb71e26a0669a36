"""A bad flag ends the script with exit code 2 and one line that names the problem."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ingest_pdfs
from ingest.common.errors import ConfigurationError
from ingest.run.flags import FlagParser
from ingest.run.options import run_options_from
from ingest.run.shared_flags import RUN_FLAGS
from ingest.search.command_line import search

SCRIPT = Path(__file__).parents[3] / "ray_jobs" / "ingest_pdfs.py"
GOOD = ["--source", "s3://bucket/prefix/", "--milvus-uri", "http://127.0.0.1:1"]


def options(*flags):
    return run_options_from(FlagParser("", RUN_FLAGS).parse_args([*GOOD, *flags]))


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ([], "--source"),
        (["--source", "s3://bucket/"], "--milvus-uri"),
        ([*GOOD, "--nonsense"], "--nonsense"),
        ([*GOOD, "--max-failed-fraction", "1.5"], "1.5 is not between 0 and 1"),
        ([*GOOD, "--limit", "-1"], "-1 is negative"),
        ([*GOOD, "--index-type", "IVF_PQ"], "IVF_PQ"),
        ([*GOOD, "--collection", "bad-name"], "'bad-name' cannot begin a collection's name"),
        ([*GOOD, "--chunk-tokens", "0"], "0 is not positive"),
        ([*GOOD, "--chunk-tokens", "50", "--chunk-overlap", "50"], "--chunk-tokens must be above --chunk-overlap"),
        ([*GOOD, "--report", "/no/such/folder/report.json"], "its folder does not exist"),
        ([*GOOD, "--report", "/"], "'/' is a folder"),
        ([*GOOD, "--only-failed", "Crashed", "--full-refresh"], "--only-failed and --full-refresh contradict"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, list) else None,
)
def test_a_bad_flag_is_one_line_and_exit_code_2(flags, names, capfd):
    try:
        code = ingest_pdfs.main(flags)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    printed = capfd.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("ERROR: ")
    assert names in line
    assert printed.out == ""


def test_a_bad_flag_ends_the_process_like_the_function():
    result = subprocess.run(
        [sys.executable, str(SCRIPT), "--nonsense"], capture_output=True, text=True, timeout=120, check=False
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "flags",
    [
        ["--max-failed-fraction", "nan"],
        ["--max-failed-fraction", "-0.1"],
        ["--max-failed-fraction", "many"],
        ["--limit", "1.5"],
        ["--max-object-mb", "0"],
        ["--max-object-mb", "nan"],
        ["--max-object-mb", "inf"],
        ["--index-params", "[1]"],
        ["--index-params", '{"M": "16"}'],
        ["--index-params", '{"M": true}'],
        ["--index-params", "{"],
        ["--max-deleted-fraction", "1.1"],
        ["--run-id", "x" * 513],
        ["--run-id", "文" * 200],
        ["--run-id", "not\udcff text"],
    ],
    ids=lambda flags: ascii(" ".join(flags))[:50],
)
def test_a_value_out_of_range_is_exit_code_2(flags, capsys):
    with pytest.raises(SystemExit) as caught:
        options(*flags)
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ERROR: bad arguments: ")
    assert flags[0] in line


@pytest.mark.parametrize("prefix", ["a-b", "1a", "a b", "a.b", "文", "a\n", "x" * 300])
def test_a_prefix_that_milvus_does_not_allow_is_a_configuration_error(prefix):
    with pytest.raises(ConfigurationError, match="cannot begin a collection's name"):
        options("--collection", prefix)


def test_the_defaults_are_the_documented_ones():
    got = options()
    assert (got.collection, got.max_failed_fraction, got.limit, got.analyzer) == ("", 0.1, 0, "auto")
    assert (got.index.kind, got.index.params) == ("HNSW", {"M": 16, "efConstruction": 200})
    assert not (got.dry_run or got.full_refresh or got.keep_missing)
    assert got.max_object_bytes == 512_000_000


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], None), (["--only-failed"], ""), (["--only-failed="], ""), (["--only-failed", "Crashed"], "Crashed"),
        (["--only-failed=parse/Crashed"], "parse/Crashed"),
    ],
)  # fmt: skip
def test_only_failed_takes_an_optional_reason(flags, expected):
    assert options(*flags).only_failed == expected


def test_another_index_does_not_get_the_parameters_of_hnsw():
    assert options("--index-type", "FLAT").index.params == {}
    assert options("--index-params", '{"M": 8}').index.params == {"M": 8}


def test_the_run_id_is_the_given_one_or_the_id_of_the_ray_job(monkeypatch):
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", '{"metadata": {"job_submission_id": "raysubmit_7"}}')
    assert options().run_id == "raysubmit_7"
    assert options("--run-id", "mine").run_id == "mine"
    assert options("--run-id", "文" * 170).run_id == "文" * 170  # 510 bytes
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", '{"metadata": {"job_submission_id": "%s"}}' % ("文" * 200))
    assert options().run_id == "文" * 170
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{broken")
    assert options().run_id.startswith("manual-")


def test_words_are_utf8_whatever_the_locale_but_for_files_of_this_machine(tmp_path):
    (tmp_path / "gr\u00fcn").mkdir()
    here = str(tmp_path / "gr\u00fcn")
    words = ["plain", "cr\u00e8che", "--source=s3://bucket/\u6587/", f"{here}.html", here, f"--source=file://{here}"]
    code = "import sys; from ingest.run.flags import as_typed; print(ascii([as_typed(word) for word in sys.argv[1:]]))"
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONPATH": str(SCRIPT.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code, *words, b"cr\xe8che"],
        env={**os.environ, **ascii_only},
        capture_output=True,
        check=True,
    )
    kept = [word.encode().decode("ascii", "surrogateescape") for word in words[4:]]
    assert done.stdout.decode().strip() == ascii([*words[:4], *kept, "cr\udce8che"])


def test_a_source_that_is_not_utf8_is_named():
    with pytest.raises(ConfigurationError, match=r"cr.*che/' is not UTF-8, as the names of buckets and keys are"):
        options("--source", "s3://bucket/cr\udce8che/")


def test_a_question_that_is_not_utf8_is_named(capsys):
    with pytest.raises(SystemExit) as caught:
        search(["--milvus-uri", "http://127.0.0.1:1", "cr\udce8che"], "")
    assert caught.value.code == 2
    assert "a question is not UTF-8" in capsys.readouterr().err
