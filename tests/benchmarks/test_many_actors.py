"""What the parts of a run that exist once cost when many GPUs work: 8 fast and 32 slow actors of the same rate in all.

    uv run pytest -n 0 -s -m benchmark tests/benchmarks/test_many_actors.py

The actors sleep as long as a GPU would compute. The tables, the vectors that they share, the counts and the writes are
real, and so is Milvus. ACTOR_OBJECTS (4,000) are the objects, of ten texts each, and ACTOR_RATE (1,600) the texts that
all actors together embed in a second if nothing holds them up. ACTORS (8,32) are two other numbers of actors; on two
cores, Milvus ended while 64 processes started.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

import psutil
import pytest

import clusters
from embedded.milvus_server import TOKEN, MilvusServer, only_one
from embedded.processes import base_environment
from embedded.ray_head import RayHead

OBJECTS = int(os.environ.get("ACTOR_OBJECTS", "4000"))
RATE = float(os.environ.get("ACTOR_RATE", "1600"))
TEXTS = 10
ACTORS = tuple(int(number) for number in os.environ.get("ACTORS", "8,32").split(","))
POLITENESS = 10
"""Of Ray's processes, so that Milvus has the cores that it needs to stay alive."""
MEMORY = 1 << 38
"""Memory that the node says it has, so that GPUs alone bound the actors."""
LOOK_SECONDS = 0.5
PARTS = {
    "sleeping_texts.py": "driver",
    "SharedState": "counts and vectors",
    "WriteObjects": "writers",
    "SleepingTexts": "actors",
    "parse": "parsers",
    "raylet": "raylet",
    "gcs_server": "GCS",
    "milvus": "Milvus",
}
"""Words of the command lines of processes, and what they are: the first that is found counts."""

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]


@dataclass
class Parts(threading.Thread):
    """Looks at processes until `stop`: CPU seconds by part, and the most memory of one of its processes, in bytes."""

    processes: object
    cpu: dict = field(default_factory=dict)
    memory: dict = field(default_factory=lambda: defaultdict(int))
    store: int = 0

    def __post_init__(self):
        super().__init__(daemon=True)
        self._ended, self._names, self._before = threading.Event(), {}, {}

    __hash__ = threading.Thread.__hash__

    def run(self):
        while not self._ended.wait(LOOK_SECONDS):
            self.look()

    def look(self):
        for process in self.processes():
            try:
                key = (process.pid, process.create_time())
                words = " ".join(process.cmdline()) or process.name()
                spent, memory = sum(process.cpu_times()[:2]), process.memory_info()
            except psutil.Error:
                continue
            self._before.setdefault(key, spent)
            known = next((part for word, part in PARTS.items() if word in words), None)
            name = self._names[key] = known or self._names.get(key, "others")
            self.cpu[key] = spent
            self.memory[name] = max(self.memory[name], memory.rss - memory.shared)
            if name == "raylet":
                self.store = max(self.store, memory.shared)

    def stop(self):
        self._ended.set()
        self.join()
        found = defaultdict(float)
        for key, spent in self.cpu.items():
            found[self._names[key]] += spent - self._before[key]
        return found


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
    """Run once with so many actors; returns the CPU seconds of each part."""
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
            parts = Parts(lambda: [*head.members(), *milvus.members(), psutil.Process(run.pid)])
            parts.look()
            parts.start()
            began = time.monotonic()
            output = run.communicate()[0]
            seconds = time.monotonic() - began
            cpu = parts.stop()
    assert run.returncode == 0, output
    report = json.loads(output.rpartition("REPORT ")[2])
    assert (report["rows_written"], report["failed"]) == (OBJECTS * TEXTS, 0)
    embedding = report["stages"]["embed"]
    print(
        f"\n{actors} actors: {report['rows_written']} rows in {seconds:.0f} s, of which the actors slept "
        f"{OBJECTS * TEXTS / RATE:.0f} s each; the object store had {parts.store / 1e6:.0f} MB; {embedding}"
    )
    print("| part | CPU s | MB of its largest process |\n|---|---|---|")
    for part, spent in sorted(cpu.items(), key=lambda found: -found[1]):
        print(f"| {part} | {spent:.1f} | {parts.memory[part] / 1e6:.0f} |")
    return cpu
