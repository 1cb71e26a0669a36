"""What comes back of an error that a stage of a real Ray Data pipeline raises."""

import subprocess
import sys
from pathlib import Path

from ingest.ray_session import job_error

SENTENCE = "the object store cannot be reached; check that it runs"
PROGRAM = f"""
import ray
from ingest.errors import UnreachableError
from ingest.ray_session import connect_ray, job_error

def fail(block):
    yield from ()
    raise UnreachableError({SENTENCE!r})

connect_ray(lambda line: None, 1 << 20)
try:
    ray.data.range(1).map_batches(fail).materialize()
except Exception as error:
    found = job_error(error)
    print(type(found).__name__, str(found), sep=": ")
"""


def test_a_job_error_keeps_its_one_sentence_on_its_way_through_ray_data(jobs):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**jobs.environment, "PYTHONPATH": str(Path(__file__).parents[2] / "ray_jobs")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout == f"UnreachableError: {SENTENCE}\n", done.stderr


def test_other_errors_come_back_as_they_are():
    error = ValueError("two\nlines")
    assert job_error(error) is error
    assert str(error) == "two\nlines"
