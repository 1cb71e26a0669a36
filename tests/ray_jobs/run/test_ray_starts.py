"""A run's own Ray starts every time, although pymilvus has loaded gRPC before."""

import subprocess
import sys
from pathlib import Path

import pytest

from embedded.processes import base_environment
from embedded.ray_head import LOOPBACK_ONLY

STARTS = 60
"""With gRPC's fork handlers about 1 start in 12 fails; then 60 starts succeed with a probability of 0.5 %."""

FORKS = 300
"""With gRPC's fork handlers about 1 child in 45 aborts; then 300 children succeed with a probability of 0.1 %."""

PROGRAM = """
import subprocess, sys
from ingest.milvus.client import connect
from ingest.run.ray_session import connect_ray
from ingest.run.script import guarded

def work():
    client = connect(sys.argv[1])
    BODY
    client.list_collections()
    return 0

sys.exit(guarded(work))
"""
START_RAY = "connect_ray(lambda line: None, 1 << 20)"
# Ray, too, runs Python code between fork and exec, and so gets the fork handlers, which subprocess avoids by default.
FORK = f"""
    for _ in range({FORKS}):
        subprocess.run(["/bin/true"], preexec_fn=lambda: None, check=True)
"""


def run(body, uri, folder):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("BODY", body.strip()), uri],
        env={
            **base_environment(), **LOOPBACK_ONLY, "HOME": str(folder), "RAY_TMPDIR": str(folder),
            "PYTHONPATH": str(Path(__file__).parents[3] / "ray_jobs"),
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )  # fmt: skip


def test_children_of_a_run_that_is_connected_to_milvus_survive_the_fork(milvus, tmp_path):
    done = run(FORK, milvus.uri, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.chaos
@pytest.mark.timeout(3000)
def test_ray_starts_every_time_after_milvus_was_connected(milvus, short_folder):
    for number in range(STARTS):
        done = run(START_RAY, milvus.uri, short_folder)
        assert done.returncode == 0, f"start {number + 1}: {done.stderr}"
