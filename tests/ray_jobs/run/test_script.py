"""The output of scripts where nobody reads it, where it cannot be written, and where it cannot be encoded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RAY_JOBS = Path(__file__).parents[3] / "ray_jobs"
SCRIPT = """
import sys, threading
from ingest.run.script import guarded, say, say_to_stderr

def work():
    print_line = say_to_stderr if "stderr" in sys.argv else say
    if "thread" in sys.argv:
        thread = threading.Thread(target=print_line, args=("line",))
        thread.start()
        thread.join()
    for number in range(3):
        print_line("line")
    return 0

sys.exit(guarded(work))
"""


def run(*arguments, stdout, program=SCRIPT, **environment):
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": str(RAY_JOBS), **environment},
        stdout=stdout,
        stderr=stdout if "stderr" in arguments else subprocess.PIPE,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("arguments", [[], ["thread"], ["stderr"]], ids=str)
def test_a_closed_pipe_ends_the_script_as_it_ends_other_programs(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    done = run(*arguments, stdout=writing)
    os.close(writing)
    assert done.returncode == 128 + 13
    assert not done.stderr


def test_a_full_disk_is_one_sentence():
    with Path("/dev/full").open("w") as full:
        done = run(stdout=full)
    assert (done.returncode, done.stderr) == (1, b"ERROR: the output cannot be written (No space left on device)\n")


def test_a_closed_output_is_none():
    program = f"import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, '-c', {SCRIPT!r}])"
    done = run(stdout=None, program=program)
    assert (done.returncode, done.stderr) == (0, b"")


def test_characters_that_the_terminal_does_not_have_are_escaped():
    program = SCRIPT.replace("range(3)", "range(1)").replace('"line"', '"\u6570 \\ud800 caf\xe9"')
    done = run(stdout=subprocess.PIPE, program=program, PYTHONIOENCODING="iso-8859-1")
    assert (done.returncode, done.stdout) == (0, b"\\u6570 \\ud800 caf\xe9\n")
