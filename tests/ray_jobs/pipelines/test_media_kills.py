"""Kill processes during a run of the video pipeline: the next run leaves the same rows as a clean run."""

import contextlib
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from embedded.processes import command_line
from embedded.videos import FILMS, ODD_FILMS, make_films
from ingest.milvus.schema import COLLECTIONS

RAY_JOBS = Path(__file__).parents[3] / "ray_jobs"

BUCKET = "media-kills"
FILES = (*FILMS, *(film for film in ODD_FILMS if film.file in ("no-audio.mp4", "speech.flac", "vp9.webm")))
TRIES = 4


class World:
    """Films in the object store, and the row ids of a run without a kill."""

    def __init__(self, jobs, store, head, client):
        self.source = f"{store.bucket(BUCKET)}/films/"
        for name, data in make_films(FILES).items():
            store.client().put_object(Bucket=BUCKET, Key=f"films/{name}", Body=data)
        self.jobs, self.head, self.client = jobs, head, client
        assert self.launch("calm_").wait(300) == 0
        self.clean = self.ids("calm_")

    def launch(self, prefix):
        script = "ingest_videos.py"
        flags = [*self.jobs.flags, *self.jobs.models[script], "--source", self.source, "--collection", prefix]
        return subprocess.Popen(
            [sys.executable, str(RAY_JOBS / script), *flags], env=self.jobs.environment, stdout=subprocess.DEVNULL
        )

    def ids(self, prefix):
        found = {}
        for name in COLLECTIONS["videos"]:
            rows = self.client.query(
                prefix + name, filter='id != ""', output_fields=["id"], limit=9999, consistency_level="Strong"
            )
            found[name] = sorted(row["id"] for row in rows)
        return found

    def victims(self, target, driver):
        if target == "driver":
            return [psutil.Process(driver.pid)]
        title = "extract_media" if target == "sandbox" else target
        workers = [
            process
            for process in self.head.members()
            if (words := command_line(process)) and words[0].startswith("ray::") and title in words[0]
        ]
        if target != "sandbox":
            return workers
        children = [child for process in workers for child in process.children()]
        return [child for child in children if "sandbox_child" in " ".join(command_line(child))]


@pytest.fixture(scope="module")
def world(jobs, object_store, ray_head, milvus_client):
    return World(jobs, object_store, ray_head, milvus_client)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "target", ["extract_media", "sandbox", "EmbedFrames", "Transcribe", "EmbedPassages", "WriteObjects", "driver"]
)
def test_after_a_kill_the_next_run_leaves_the_same_rows_as_a_clean_run(world, target):
    prefix = f"killed_{target.lower()}_"
    driver = world.launch(prefix)
    hit = False
    while driver.poll() is None and not hit:
        if target == "driver":
            with contextlib.suppress(subprocess.TimeoutExpired):
                driver.wait(20)  # its stages are at work by then
        with contextlib.suppress(psutil.NoSuchProcess):
            if found := world.victims(target, driver):
                found[0].kill()
                hit = True
    assert hit, f"there was no process of {target} to kill"
    code = driver.wait(400)
    for _ in range(TRIES):
        if code == 0:
            break
        assert code in (-9, 1, 4)
        code = world.launch(prefix).wait(400)
    assert code == 0
    assert world.ids(prefix) == world.clean
