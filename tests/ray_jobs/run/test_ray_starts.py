"""A Ray of the run's own starts, every time, beside a connection to Milvus."""

import subprocess
import sys
from pathlib import Path

import pytest

from embedded.processes import base_environment
from embedded.ray_head import LOOPBACK_ONLY

STARTS = 60
"""With gRPC's fork handlers, about 1 start in 12 failed: 60 without a failure would be luck once in 185 times."""

PROGRAM = """
import sys
from ingest.milvus.client import connect
from ingest.run.ray_session import connect_ray
from ingest.run.script import finish

def work():
    client = connect(sys.argv[1])
    connect_ray(lambda line: None, 1 << 20)
    client.list_collections()

sys.exit(finish(work, ""))
"""


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_ray_starts_every_time_after_milvus_was_connected(milvus, short_folder):
    environment = {
        **base_environment(), **LOOPBACK_ONLY, "HOME": str(short_folder), "RAY_TMPDIR": str(short_folder),
        "PYTHONPATH": str(Path(__file__).parents[3] / "ray_jobs"),
    }  # fmt: skip
    for number in range(STARTS):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, milvus.uri], env=environment, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"start {number + 1}: {done.stderr}"
