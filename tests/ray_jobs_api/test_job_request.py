"""The command line that Ray's shell gets, and the other fields of a submission."""

import shlex
import subprocess
import sys

import pytest

from ray_jobs_api.job_request import command_line, job_request

ODD = ["with space", "quote'\"", "$HOME `id`", "a;b|c&d", "数据", "--dash", "*", "line\nbreak", "back\\slash"]


def test_a_shell_hands_over_odd_words_unchanged():
    shows = [sys.executable, "-c", "import sys, json; print(json.dumps(sys.argv[1:]))"]
    command = command_line([*shows, *ODD], {"source": "s3://b/a b/$x'/"})
    shown = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True).stdout
    import json

    assert json.loads(shown) == [*ODD, "--source=s3://b/a b/$x'/"]


def test_flags_that_render_to_nothing_are_left_out():
    arguments = {"a": "", "b": None, "c": "None", "d": False, "e": "False", "f": 0, "g": True, "--h": "True", "i": "x"}
    assert command_line("python job.py", arguments) == "python job.py --f=0 --g --h --i=x"


def test_a_list_repeats_its_flag_and_a_string_entrypoint_is_not_touched():
    assert command_line("a && b $X", {"tag": ["x", "y z"]}) == f"a && b $X --tag=x {shlex.quote('--tag=y z')}"


def test_numbers_may_be_rendered_strings_and_absent_fields_are_not_sent():
    request = job_request(
        entrypoint="x", runtime_env={}, metadata={"n": 1}, num_cpus="0.5", num_gpus="", memory="1e9", resources={"a": 1}
    )
    assert request == {
        "entrypoint": "x",
        "metadata": {"n": "1"},
        "entrypoint_num_cpus": 0.5,
        "entrypoint_memory": 1_000_000_000,
        "entrypoint_resources": {"a": 1.0},
    }


def test_a_mapping_becomes_json():
    assert command_line("a", {"options": {"x": [1]}}) == f"""a {shlex.quote('--options={"x": [1]}')}"""


def test_environment_variables_are_text():
    environment = {"env_vars": {"A": 5, "B": "x", "C": 0.5}, "pip": ["p"]}
    request = job_request(entrypoint="x", runtime_env=environment, metadata={})
    assert request["runtime_env"] == {"env_vars": {"A": "5", "B": "x", "C": "0.5"}, "pip": ["p"]}


@pytest.mark.parametrize("value", [True, None, ["x"]])
def test_an_environment_variable_that_is_no_text_is_named(value):
    with pytest.raises(ValueError, match=r"runtime_env\['env_vars'\]\['A'\] must be a string"):
        job_request(entrypoint="x", runtime_env={"env_vars": {"A": value}}, metadata={})


@pytest.mark.parametrize("value", ["many", "-1", "nan", "inf"])
def test_a_wrong_number_is_named(value):
    with pytest.raises(ValueError, match="entrypoint_num_cpus must be a number"):
        job_request(entrypoint="x", runtime_env={}, metadata={}, num_cpus=value)


def test_an_empty_entrypoint_is_refused():
    with pytest.raises(ValueError, match="empty"):
        command_line(" ")
