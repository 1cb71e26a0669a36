"""How busy one recording keeps the actors of a cluster of 64 CPUs, with a model that only sleeps.

uv run pytest -m benchmark -s tests/benchmarks/test_long_recording.py
"""

import os
import tempfile
import time
import wave
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import ray

from embedded.speech import SAMPLE_RATE as SPOKEN_RATE
from embedded.videos import LECTURE
from ingest.common.limits import Limits
from ingest.ledger.work_list import DIFFERENCE_SCHEMA
from ingest.media.extraction import MediaSettings
from ingest.pipelines.videos import STRETCH_CLIPS, WORK_BY_STAGE
from ingest.run.ray_session import _configure
from ingest.stages.cluster import Cluster, Node
from ingest.stages.divided_recordings import Division
from ingest.stages.gathering import StretchCollectorClient
from ingest.stages.pipeline import map_model, map_objects
from ingest.stages.requests import ModelStage
from ingest.stages.resources import allocate
from ingest.stages.shared import SharedState
from ingest.stages.transcribe import PassageSettings
from ingest.stages.videos import ExtractSettings, extract_media
from ingest.store.local_files import file_version
from ingest.store.object_reading import ReadSettings
from long_pdf import tokenizer_json
from sleeping_speech import NoFrames, SleepingTranscribe

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

CPUS = int(os.environ.get("RECORDING_CPUS", "64"))
HOURS = float(os.environ.get("RECORDING_HOURS", "10"))
RATE = float(os.environ.get("RECORDING_RATE", "1.3"))
"""How many times as fast as it is spoken an actor transcribes speech. On one core, Whisper small reaches about 3."""

MEMORY = 10**12
"""Bytes that Ray takes the machine to have: actors that only sleep need no memory, but ask for it."""

TESTS = Path(__file__).parents[1]


def observe(*_):
    pass


def long_recording(path):
    """The lecture of the tests, again and again."""
    lecture = LECTURE.samples
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SPOKEN_RATE)
        for _ in range(round(HOURS * 3600 * SPOKEN_RATE * 2 / len(lecture))):
            file.writeframes(lecture)


@pytest.fixture
def cluster():
    paths = ":".join([str(TESTS.parent / "ray_jobs"), str(TESTS)])
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        ray.init(
            "local", num_cpus=CPUS, object_store_memory=1 << 30, _memory=MEMORY, _temp_dir=folder,
            include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": paths}},
        )  # fmt: skip
        yield Cluster((Node(CPUS, 0, MEMORY),))
        ray.shutdown()


def test_one_recording_keeps_the_actors_busy(cluster, figures, tmp_path):
    path, notes = tmp_path / "long.wav", tmp_path / "notes"
    notes.mkdir()
    long_recording(path)
    stages = [ModelStage(name, 10**9, work) for name, work in WORK_BY_STAGE.items()]
    resources = allocate(cluster, stages, False, {}).limited_to(1, (), set(WORK_BY_STAGE))
    pool = resources.pools["transcribe"]
    _configure(ray.data.DataContext.get_current(), 256 << 10)  # as a run does
    state = ray.remote(SharedState).options(num_cpus=0).remote("videos", [], 4)
    collector = StretchCollectorClient(state)
    size = path.stat().st_size
    entry = {"source": f"file://{path}", "version": file_version(path.stat()), "size": size, "attempts": 0}
    began = time.time()
    extracted = map_objects(
        ray.data.from_blocks([pa.Table.from_pylist([{**entry, "change": "new"}], DIFFERENCE_SCHEMA)]),
        extract_media,
        resources,
        settings=ExtractSettings(
            MediaSettings(), ReadSettings(max_bytes=1 << 40), Limits(seconds=3600), Division(STRETCH_CLIPS)
        ),
        observe=observe,
        collector=collector,
    )
    found = map_model(
        map_model(extracted, NoFrames, resources.pools["frames"], 1),
        SleepingTranscribe,
        pool,
        1,
        rate=RATE,
        notes=str(notes),
        model="",
        settings=PassageSettings("", 200, 30.0, tokenizer_json()),
        observe=observe,
        before_embedding=None,
        collector=collector,
    ).take_all()
    ended = time.time()
    assert {row["error_type"] for row in found} == {None}
    actors = [[tuple(map(float, line.split())) for line in own.read_text().splitlines()] for own in notes.iterdir()]
    works = np.array([work for own in actors for work in own[1:]])
    ready = np.array([own[0][0] for own in actors])
    last, busy = works[:, 1].max(), (works[:, 1] - works[:, 0]).sum()
    figures.note(
        "large", f"a recording of {HOURS:g} hours", busy / (last - ready).sum(),
        f"{len(works)} stretches on {len(actors)} of {pool.max_actors} actors, of which the last one was ready after "
        f"{ready.max() - began:.0f} s; transcribed after {last - began:.0f} s, done after {ended - began:.0f} s; "
        f"{busy / pool.max_actors / (last - ready.min()):.2f} of the time since the first one was ready",
    )  # fmt: skip
    assert len(actors) == pool.max_actors
