"""A stage that gives tables faster than models take them leaves the object store room for the stages between them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.processes import base_environment
from embedded.ray_head import RayHead

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(300)]

STORE, TABLE, TABLES, MODELS = 90_000_000, 3_000_000, 60, 9
"""Bytes of the object store and of a table, and numbers of the tables and of the actors of the model."""

PROGRAM = f"""
import json, time
import numpy as np, pyarrow as pa, ray
from ray.data import ActorPoolStrategy, DataContext
from ray.data._internal.execution.execution_callback import ExecutionCallback
from ingest.run.ray_session import connect_ray

used = [0.0]

class Watch(ExecutionCallback):
    def on_execution_step(self, executor):
        manager = executor._resource_manager
        if room := manager.get_global_limits().object_store_memory:
            used.append(manager.get_global_usage().object_store_memory / room)

def sound(block):
    for number in range({TABLES}):
        yield pa.table({{"number": [number], "sound": [np.zeros({TABLE}, np.uint8).tobytes()]}})

class Frames:
    def __call__(self, table):
        return table

class Transcribe:
    def __call__(self, table):
        time.sleep(3)  # the work of a model
        return table.select(["number"])

connect_ray(lambda line: None, 256 << 10)
DataContext.get_current().custom_execution_callback_classes.append(Watch)
data = ray.data.range(1).map_batches(sound, batch_format="pyarrow")
for model, actors in (Frames, 1), (Transcribe, {MODELS}):
    pool = ActorPoolStrategy(size=actors)
    data = data.map_batches(model, batch_size=None, batch_format="pyarrow", compute=pool, num_cpus=0.1)
print(json.dumps([sorted(row["number"] for row in data.take_all()), max(used)]))
"""


def test_what_waits_before_the_models_has_room_in_the_store(tmp_path):
    """Ray Data had let the sound of hours wait, and a stage that had no room for more gave nothing to the models."""
    with RayHead(tmp_path / "ray", num_cpus=4, object_store_memory=STORE) as head:
        path = str(Path(__file__).parents[3] / "ray_jobs")
        environment = {**base_environment(), **head.client_environment(), "PYTHONPATH": path}
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    numbers, used = json.loads(done.stdout.splitlines()[-1])
    assert numbers == list(range(TABLES))
    assert used <= 1, f"{used:.2f} of the room for tables"
