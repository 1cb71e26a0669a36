"""The command line that Ray's shell gets, and the other fields of a submission."""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path

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


class Lazy(Sequence):
    """As the output of a mapped task, which is a list only in the end."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return ["a", "b"][index]

    def __str__(self):
        return "Lazy(...)"


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        (Lazy(), "--x=a --x=b"),
        ((each for each in ("a", "b")), "--x=a --x=b"),
        ({"a": 1, "b": 2}.keys(), "--x=a --x=b"),
        ({"b", "a"}, "--x=a --x=b"),
        (["a", None, "", True], "--x=a --x"),
        ([], ""),
        ([["a", "b"], Lazy()], """'--x=["a", "b"]' '--x=["a", "b"]'"""),
        (
            {"when": date(2026, 1, 31), "all": Lazy(), "名": None},
            """'--x={"when": "2026-01-31", "all": ["a", "b"], "名": null}'""",
        ),
        (b"bytes", "--x=bytes"),
        (Path("/a/b"), "--x=/a/b"),
        (datetime(2026, 1, 31, tzinfo=UTC), "--x=2026-01-31T00:00:00+00:00"),
        (Colour.RED, "--x=red"),
        (Decimal("1.50"), "--x=1.50"),
        (0.0, "--x=0.0"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_of_any_type_become_text(value, flags):
    assert command_line("run", {"x": value}) == f"run {flags}".strip()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (object(), r"arguments\['x'\] is of the type object, which has no text of its own"),
        ([object()], "has no text of its own"),
        ("a\0b", "holds the character NUL"),
        ("\udcff", "is not valid Unicode"),
        (b"\xff", "is not valid Unicode"),
        ("x" * 131_072, "has 131,077 bytes, and Linux allows 131,072 in one argument"),
        (["y" * 100_000] * 20, "All arguments together have .* more than a process on Linux takes"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_value_that_no_process_can_take_is_refused(value, sentence):
    with pytest.raises(ValueError, match=sentence):
        command_line("run", {"x": value})


def test_arguments_that_are_no_mapping_are_refused():
    with pytest.raises(ValueError, match="must be a mapping of flags to values, not a list"):
        command_line("run", ["--x"])


@pytest.mark.parametrize("variables", [{"": "x"}, {"A=B": "x"}, {"A": "a\0"}, {"A": "x" * 140_000}])
def test_an_environment_variable_that_no_process_can_take_is_refused(variables):
    with pytest.raises(ValueError, match=r"runtime_env\['env_vars'\]"):
        job_request(entrypoint="x", runtime_env={"env_vars": variables}, metadata={})


def test_a_template_that_renders_to_none_is_no_entrypoint():
    with pytest.raises(ValueError, match="The entrypoint is empty"):
        command_line(None)


@pytest.mark.parametrize("name", ["", "--", "a b", "a="])
def test_a_name_that_no_flag_can_have_is_refused(name):
    with pytest.raises(ValueError, match="cannot be the name of a flag"):
        command_line("run", {name: 1})
