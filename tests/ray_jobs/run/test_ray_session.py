"""A run connects to the right Ray, and gets errors and signals out of a real Ray Data pipeline as one sentence."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.processes import base_environment, poll
from embedded.ray_head import LOOPBACK_ONLY, NO_UV_HOOK, RayHead
from ingest.run.ray_session import original_job_error

SENTENCE = "the object store cannot be reached; check that it runs"
PROGRAM = f"""
import ray
from ray.data import ActorPoolStrategy
from ingest.common.errors import UnreachableError
from ingest.run.ray_session import connect_ray, original_job_error

def fail(block):
    yield from ()
    raise UnreachableError({SENTENCE!r})

class Fail:
    def __call__(self, block):
        raise UnreachableError({SENTENCE!r})

connect_ray(lambda line: None, 1 << 20)
for stage, pool in (fail, None), (Fail, ActorPoolStrategy(size=1)):
    try:
        ray.data.range(1).map_batches(stage, compute=pool).materialize()
    except Exception as error:
        found = original_job_error(error)
        print(type(found).__name__, str(found), sep=": ")
"""


def test_a_job_error_keeps_its_sentence_on_its_way_through_ray_data(jobs):
    """Of a stage that yields its tables, and of one that returns them: Ray Data wraps the errors of the second."""
    environment = {**jobs.environment, "PYTHONPATH": str(Path(__file__).parents[3] / "ray_jobs")}
    done = jobs.runner.run(["-c", PROGRAM], environment)
    assert done.stdout == f"UnreachableError: {SENTENCE}\n" * 2, done.stderr


INTERRUPTED = """
import os, signal, sys
from ingest.run.ray_session import connect_ray
from ingest.run.script import run_job_script

signal.signal(signal.SIGINT, signal.default_int_handler)  # the background jobs of a shell ignore it

def interrupt(block, pid=os.getpid()):
    os.kill(pid, SIGNUM)
    signal.pause()

def work():
    import ray
    connect_ray(lambda line: None, 1 << 20)
    ray.data.range(1).map_batches(interrupt).materialize()

sys.exit(run_job_script(work, ""))
"""


@pytest.mark.parametrize("signum", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.nightly)])
def test_a_signal_during_work_in_ray_ends_the_job_with_one_sentence(jobs, signum):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.replace("SIGNUM", str(int(signum)))],
        env={**jobs.environment, "PYTHONPATH": str(Path(__file__).parents[3] / "ray_jobs")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    # Ray's core logs its own log level.
    (line,) = [line for line in done.stderr.splitlines() if "logging.cc" not in line]
    assert line.startswith(f"ERROR: the run was interrupted ({signum.name})")
    assert done.returncode == 128 + signum


@pytest.fixture(
    params=[pytest.param("living", marks=pytest.mark.nightly), pytest.param("killed", marks=pytest.mark.chaos)]
)
def other_address(request, ray_head, tmp_path):
    """The content of `ray_current_cluster` as another Ray head wrote it."""
    if request.param == "living":
        return written_address(ray_head)
    with RayHead(tmp_path) as head:
        address = written_address(head)
        head.kill()
    return address


def written_address(head):
    """Ray writes the file after the head has begun to serve."""
    return poll((head.temp_dir / "ray_current_cluster").read_text, 60, "ray_current_cluster")


ADDRESS = """
import ray
from ingest.run.ray_session import connect_ray

connect_ray(lambda line: None, 1 << 20)
print(ray.get_runtime_context().gcs_address)
"""


def test_a_run_without_an_address_starts_its_own_ray_beside_any_other(other_address, short_folder):
    (short_folder / "ray").mkdir()
    (short_folder / "ray" / "ray_current_cluster").write_text(other_address)
    done = subprocess.run(
        [sys.executable, "-c", ADDRESS],
        env={
            **base_environment(), **LOOPBACK_ONLY, **NO_UV_HOOK,
            "HOME": str(short_folder), "RAY_TMPDIR": str(short_folder),
            "PYTHONPATH": str(Path(__file__).parents[3] / "ray_jobs"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() != other_address


def test_other_errors_are_returned_unchanged():
    error = ValueError("two\nlines")
    assert original_job_error(error) is error
    assert str(error) == "two\nlines"
