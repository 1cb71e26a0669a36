"""What the parts of a run that exist once cost when many GPUs work: 8 fast and 64 slow actors of the same rate in all.

    uv run pytest -n 0 -s -m benchmark tests/benchmarks/test_many_actors.py

The actors sleep as long as a GPU would compute. The tables, the vectors that they share, the counts and the writes are
real, and so is Milvus. ACTOR_OBJECTS (4,000) are the objects, of ten texts each, and ACTOR_RATE (1,600) the texts that
all actors together embed in a second if nothing holds them up. ACTORS (8,64) are two other numbers of actors: 64 take
12 GB.
"""

import json
import os
import subprocess
import sys
import time
from collections import defaultdict

import pytest

import clusters
from benchmarks.process_tree import ProcessTree, with_children
from embedded.milvus_server import TOKEN, MilvusServer, only_one
from embedded.processes import base_environment
from embedded.ray_head import RayHead

OBJECTS = int(os.environ.get("ACTOR_OBJECTS", "4000"))
RATE = float(os.environ.get("ACTOR_RATE", "1600"))
TEXTS = 10
ACTORS = tuple(int(number) for number in os.environ.get("ACTORS", "8,64").split(","))
POLITENESS = 10
"""Of Ray's processes, so that Milvus has the cores that it needs to stay alive."""
MEMORY = 1 << 38
"""Memory that the node says it has, so that GPUs alone bound the actors."""
PARTS = {
    "SharedState": "counts and vectors",
    "VectorCache": "counts and vectors",
    "WriteObjects": "writers",
    "SleepingTexts": "actors",
    "parse": "parsers",
    "raylet": "raylet",
    "gcs_server": "GCS",
}
"""Words of the names of Ray's processes, and what they are: the first that is found counts."""

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def milvus(tmp_path_factory):
    with only_one(), MilvusServer(tmp_path_factory.mktemp("milvus")) as server:
        yield server


def test_what_exists_once_costs_the_same_for_many_actors(milvus, tmp_path):
    source = clusters.objects(tmp_path / "objects", OBJECTS)
    costs = {}
    for actors in ACTORS:
        costs[actors] = measured(milvus, tmp_path / str(actors), source, actors)
    few, many = (costs[actors] for actors in ACTORS)
    for part in ("driver", "counts and vectors", "writers"):
        assert many[part] < 2 * few[part] + 2, part


def measured(milvus, folder, source, actors):
    """Run once with so many actors; returns the CPU seconds of a process of each part, on average."""
    folder.mkdir()
    secrets = {"MILVUS_TOKEN": TOKEN, "PYTHONPATH": clusters.PYTHONPATH}
    with RayHead(folder / "ray", secrets, num_cpus=actors + 4, memory=MEMORY, num_gpus=actors) as head:
        for process in head.members():
            process.nice(POLITENESS)
        command = [
            *(sys.executable, str(clusters.TESTS / "sleeping_texts.py"), str(TEXTS), str(RATE / actors)),
            *("--source", str(source), "--milvus-uri", milvus.uri, "--collection", f"actors{actors}_"),
        ]
        environment = base_environment() | head.client_environment() | secrets
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as run:
            groups = {"driver": lambda: with_children(run.pid), "Milvus": milvus.members, "Ray": head.members}
            began = time.monotonic()
            with ProcessTree(groups, groups) as tree:
                output = run.communicate()[0]
            seconds = time.monotonic() - began
        assert run.returncode == 0, output
        # The pages of its shared memory that the raylet has touched stay mapped.
        store = max(process.memory_info().shared for process in head.members() if process.name() == "raylet")
    report = json.loads(output.rpartition("REPORT ")[2])
    assert (report["rows_written"], report["failed"]) == (OBJECTS * TEXTS, 0)
    print(
        f"\n{actors} actors: {report['rows_written']} rows in {seconds:.0f} s, of which the actors slept "
        f"{OBJECTS * TEXTS / RATE:.0f} s each; the object store had {store / 1e6:.0f} MB; {report['stages']['embed']}"
    )
    cpu = {name: [tree.usage[name].cpu_seconds] for name in ("driver", "Milvus")} | parts(tree.usage["Ray"])
    print("| part | CPU s | processes |\n|---|---|---|")
    for part, spent in sorted(cpu.items(), key=lambda found: -sum(found[1])):
        print(f"| {part} | {sum(spent):.1f} | {len(spent)} |")
    print("most memory, MB:", {name: round(usage.peak / 1e6) for name, usage in tree.usage.items()})
    return {part: sum(spent) / len(spent) for part, spent in cpu.items()}


def parts(usage):
    """CPU seconds of each of Ray's processes by part. A process has several names, and is what the last one says."""
    names, spent = {}, defaultdict(lambda: defaultdict(float))
    for _, pid, words, _ in usage.samples:
        if part := next((part for word, part in PARTS.items() if word in words), None):
            names[pid] = part
    for _, pid, _, seconds in usage.samples:
        spent[names.get(pid, "others")][pid] += seconds
    return {part: list(processes.values()) for part, processes in spent.items()}
