"""A whole run over a film whose pictures are decoded in stretches, of which a process may be killed on the way."""

import contextlib
import subprocess
import sys

import psutil
import pytest

from embedded.processes import command_line
from embedded.scenes import Scene, grainy, pan, photo, write_long
from ingest.media.extraction import MediaSettings, extract

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]

BUCKET = "long-films"
REPEATED = 12


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Some minutes in Full HD without sound, whose pictures take a core about a minute."""
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    scenes = [Scene(3, grainy(pan(photo(seed)), seed)) for seed in range(5)]
    write_long(path, scenes, REPEATED)
    return path


def children_that_read(head):
    """The child processes that decode, of all workers that extract."""
    workers = [
        process
        for process in head.members()
        if (words := command_line(process)) and words[0].startswith("ray::") and "extract_media" in words[0]
    ]
    children = [child for worker in workers for child in worker.children()]
    return [child for child in children if "sandbox_child" in " ".join(command_line(child))]


@pytest.mark.parametrize("kill", [False, True], ids=["calm", "killed"])
def test_the_key_frames_of_a_run_are_those_of_one_process(
    film, tmp_path, jobs, object_store, ray_head, milvus_client, kill
):
    source, prefix = f"{object_store.bucket(BUCKET)}/films/", f"long_films_{kill}_".lower()
    object_store.client().upload_file(str(film), BUCKET, "films/a.mp4")
    command = jobs._command("ingest_videos.py", ["--source", source, "--collection", prefix, "--max-frames", "20"])
    run = subprocess.Popen([sys.executable, *command], env=jobs.environment)
    most, killed = 0, False
    while run.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            children = children_that_read(ray_head)
            most = max(most, len(children))
            if kill and not killed and len(children) > 1:
                max(children, key=lambda child: child.create_time()).kill()
                killed = True
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(0.2)
    assert run.returncode == 0
    assert most > 1, "one process has read all of it"
    assert killed == kill
    rows = milvus_client.query(
        f"{prefix}video_frames", filter='id != ""', output_fields=["ordinal", "time"], limit=1000,
        consistency_level="Strong",
    )  # fmt: skip
    expected = extract(str(film), str(tmp_path), MediaSettings(max_frames=20)).frame_times
    assert len(expected) > 10
    assert [row["time"] for row in sorted(rows, key=lambda row: row["ordinal"])] == [round(at, 3) for at in expected]
