"""What a Dag file with RayOperator costs the Dag processor, beside the same file with a BashOperator.

Each file is executed in a fresh process that has imported ``airflow.sdk`` already, as the Dag processor's children
have. Medians of alternating rounds.
"""

import statistics
import subprocess
import sys

import pytest

pytestmark = pytest.mark.benchmark

ROUNDS = 11
FILES = {
    "bash": "from airflow.providers.standard.operators.bash import BashOperator as Operator\n"
    "words = {'bash_command': 'x'}",
    "ray": "from airflow_ray.operators.job import RayOperator as Operator\nwords = {'entrypoint': 'x'}",
}
PROGRAM = """
import time
from airflow.sdk import DAG
began = time.perf_counter()
{imports}
with DAG("d", schedule=None):
    Operator(task_id="t", **words)
print(time.perf_counter() - began)
"""


def test_a_ray_dag_costs_little_more_than_a_bash_dag():
    seconds: dict[str, list[float]] = {name: [] for name in FILES}
    for _ in range(ROUNDS):
        for name, imports in FILES.items():
            program = PROGRAM.format(imports=imports)
            done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
            seconds[name].append(float(done.stdout.splitlines()[-1]))
    bash, ray = (statistics.median(seconds[name]) for name in ("bash", "ray"))
    print(f"\nbash {bash * 1e3:.1f} ms   ray {ray * 1e3:.1f} ms   more {1e3 * (ray - bash):.1f} ms")
    assert ray - bash < 0.05
