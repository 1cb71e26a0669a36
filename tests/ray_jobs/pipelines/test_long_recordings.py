"""Whole runs over a recording that is transcribed in stretches, of which an actor may die on the way."""

import contextlib
import subprocess
import sys

import numpy as np
import psutil
import pytest

from embedded.processes import command_line
from embedded.speech import SAMPLE_RATE, silence, wav
from embedded.videos import LECTURE, film, make_films
from ingest.media.extraction import AUDIO_FILE, MediaSettings, extract
from ingest.models.transcriber import Transcriber

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]

BUCKET = "long-recordings"


class Runs:
    """Runs over a prefix with a recording of eleven minutes and a short film."""

    def __init__(self, jobs, store, client):
        self.jobs, self.client = jobs, client
        self.source = f"{store.bucket(BUCKET)}/talks/"
        lecture = LECTURE.samples
        pause = (11 * 60 - 2 * len(lecture) / 2 / SAMPLE_RATE) / 2
        self.talk = wav(lecture + silence(pause) + lecture + silence(pause))
        for name, data in {"talk.wav": self.talk, **make_films([film("coast-tour.mp4")])}.items():
            store.client().put_object(Bucket=BUCKET, Key=f"talks/{name}", Body=data)

    def command(self, prefix):
        flags = ["--source", self.source, "--collection", prefix, "--passage-seconds", "12"]
        return self.jobs._command("ingest_videos.py", flags)

    def rows(self, prefix):
        found = self.client.query(
            f"{prefix}video_segments", filter='id != ""', output_fields=["id", "source", "text", "start"], limit=1000,
            consistency_level="Strong",
        )  # fmt: skip
        return {row["id"]: (row["source"].rpartition("/")[2], row["text"], row["start"]) for row in found}


@pytest.fixture(scope="module")
def runs(jobs, object_store, milvus_client):
    return Runs(jobs, object_store, milvus_client)


@pytest.fixture(scope="module")
def clean(runs):
    subprocess.run([sys.executable, *runs.command("whole_")], env=runs.jobs.environment, check=True)
    return runs.rows("whole_")


def words(texts):
    return " ".join(texts).split()


def test_the_words_are_those_of_a_transcription_in_one_piece(runs, clean, whisper_path, tmp_path):
    (tmp_path / "talk.wav").write_bytes(runs.talk)
    extract(str(tmp_path / "talk.wav"), str(tmp_path), MediaSettings())
    transcript = Transcriber(whisper_path, 2, "cpu").transcribe(np.fromfile(tmp_path / AUDIO_FILE, "<i2"))
    found = sorted((start, text) for name, text, start in clean.values() if name == "talk.wav")
    assert words(text for _, text in found) == words(segment.text for segment in transcript.segments)
    assert found[0][0] == pytest.approx(transcript.segments[0].start, abs=0.01)
    assert {name for name, _, _ in clean.values()} == {"talk.wav", "coast-tour.mp4"}


@pytest.mark.parametrize("target", ["Transcribe", "SharedState"])
def test_a_kill_costs_no_row_and_doubles_none(runs, clean, ray_head, target):
    prefix = f"killed_{target.lower()}_"
    run = subprocess.Popen([sys.executable, *runs.command(prefix)], env=runs.jobs.environment, stdout=subprocess.PIPE)
    killed = False
    while not killed and run.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            titles = {
                process: line[0]
                for process in ray_head.members()
                if (line := command_line(process)) and line[0].startswith("ray::")
            }
            if any("Transcribe" in title and "submit" in title for title in titles.values()):  # at work
                victims = [process for process, title in titles.items() if target in title]
                victims[0].kill()
                killed = True
    output, _ = run.communicate(timeout=400)
    assert killed, "no actor was at work"
    if run.returncode:  # the recording failed, or the run: the next one processes it
        assert b"Interrupted" in output or run.returncode == 1
        subprocess.run([sys.executable, *runs.command(prefix)], env=runs.jobs.environment, check=True)
    assert runs.rows(prefix) == clean
