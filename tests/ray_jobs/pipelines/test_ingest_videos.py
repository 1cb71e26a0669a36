"""ingest_videos.py with a real Ray head, object store and Milvus: a search finds speech and scenes with their times."""

import json
from dataclasses import replace

import pytest

from embedded.videos import FILMS, ODD_FILMS, make_broken_films, make_films

# In the default run the demo ingests and searches videos.
pytestmark = pytest.mark.nightly

BUCKET = "ingest-videos"
PREFIX = "talks_"
ODD = [film for film in ODD_FILMS if film.file in ("no-audio.mp4", "two-sounds.mkv", "speech.flac")]
WHOLE = (*FILMS, *ODD)


class Talks:
    """Films under a prefix, ingested once, and again after one was deleted."""

    def __init__(self, jobs, store, client):
        self.source = f"{store.bucket(BUCKET)}/talks/"
        self.client = client
        s3 = store.client()
        self.broken = {name: data for name, data in make_broken_films().items() if name != "cut-off.mp4"}
        for name, data in {**make_films(WHOLE), **self.broken}.items():
            s3.put_object(Bucket=BUCKET, Key=f"talks/{name}", Body=data, Metadata={"event": "summit"})
        flags = ["--source", self.source, "--collection", PREFIX, "--max-failed-fraction", "0.5"]
        self.first = jobs.run("ingest_videos.py", *flags)
        self.segments = self.read(
            "video_segments", "id", ["id", "source", "ordinal", "start", "end", "text", "metadata"]
        )
        self.frames = self.read("video_frames", "id", ["id", "source", "ordinal", "time", "metadata"])
        self.ledger = {
            row["source"].removeprefix(self.source): row
            for row in self.read("sources", "source", ["status", "rows", "error_type", "error_message", "metadata"])
        }
        s3.delete_object(Bucket=BUCKET, Key="talks/breakfast.mkv")
        self.second = jobs.run("ingest_videos.py", *flags)

    def read(self, name, key, fields):
        return self.client.query(
            PREFIX + name, filter=f'{key} != ""', output_fields=[key, *fields], limit=1000, consistency_level="Strong"
        )

    def of(self, rows, file):
        return sorted((row for row in rows if row["source"] == self.source + file), key=lambda row: row["ordinal"])


@pytest.fixture(scope="module")
def talks(jobs, object_store, milvus_client):
    return Talks(jobs, object_store, milvus_client)


def test_every_film_succeeds_and_every_broken_one_fails_with_a_sentence(talks):
    assert talks.first.code == 0, talks.first.stderr
    assert {name for name, row in talks.ledger.items() if row["status"] == "ok"} == {film.file for film in WHOLE}
    failed = {name: row["error_message"] for name, row in talks.ledger.items() if row["status"] == "failed"}
    assert set(failed) == set(talks.broken)
    assert all(len(message) > 20 for message in failed.values())


@pytest.mark.parametrize("film", WHOLE, ids=lambda film: film.file)
def test_rows_are_numbered_through_both_collections_and_counted_in_the_ledger(talks, film):
    rows = talks.of(talks.segments, film.file) + talks.of(talks.frames, film.file)
    assert [row["ordinal"] for row in rows] == list(range(talks.ledger[film.file]["rows"]))


@pytest.mark.parametrize("film", [film for film in WHOLE if film.scenes], ids=lambda film: film.file)
def test_every_scene_has_a_key_frame_and_there_are_at_most_twice_as_many(talks, film):
    times = [row["time"] for row in talks.of(talks.frames, film.file)]
    ends = [*film.scene_starts[1:], film.scene_starts[-1] + film.scenes[-1].seconds]
    for start, end in zip(film.scene_starts, ends, strict=True):
        assert any(start <= time < end for time in times), (start, times)
    assert len(times) <= 2 * len(film.scenes)


@pytest.mark.parametrize("film", [film for film in WHOLE if film.sound], ids=lambda film: film.file)
def test_passages_have_the_times_of_the_speech(talks, film):
    segments = talks.of(talks.segments, film.file)
    assert abs(segments[0]["start"] - film.sound[0].sentences[0].start) < 1
    assert segments[-1]["end"] <= film.sound[0].sentences[-1].end + 1


def test_a_film_without_sound_has_no_passages_and_a_recording_without_video_no_frames(talks):
    assert talks.of(talks.segments, "no-audio.mp4") == []
    assert talks.of(talks.frames, "speech.flac") == talks.of(talks.frames, "valley-report.mp3") == []


def test_the_ledger_holds_the_properties_of_a_film(talks):
    metadata = talks.ledger["coast-tour.mp4"]["metadata"]
    assert (metadata["language"], metadata["width"]) == ("en", 320)
    assert metadata["duration"] == pytest.approx(12, abs=1)


def test_what_owners_say_about_their_films_is_in_passages_and_frames(talks):
    rows = [*talks.segments, *talks.frames]
    assert {row["metadata"]["owner"]["event"] for row in rows} == {"summit"}
    spoken = {row["metadata"]["language"] for row in talks.of(rows, "coast-tour.mp4")}
    assert spoken == {talks.ledger["coast-tour.mp4"]["metadata"]["language"]}


def test_a_deleted_film_loses_its_rows_in_both_collections_and_no_other_film_is_read(talks):
    report = talks.second.report
    assert (report["deleted"], report["unchanged"]) == (1, len(WHOLE) - 1 + len(talks.broken))
    assert "read" not in report["stages"]
    assert report["rows_deleted"] == talks.ledger["breakfast.mkv"]["rows"]


def test_speech_and_scenes_are_found_with_their_times(talks, plain_jobs):
    flags = ["--collection", PREFIX, "--limit", "3"]
    result = plain_jobs.run("search.py", *flags, "--json", "how much water does the lake hold", "a missile in the sky")
    assert result.code == 0, result.stderr
    lake, rocket = [json.loads(line) for line in result.stdout.splitlines()]
    assert lake["spoken"][0]["source"] == f"{talks.source}valley-report.mp3"
    start, end = next((s, s + 4) for s in [8.0])
    assert any(
        hit["source"] in (f"{talks.source}coast-tour.mp4", f"{talks.source}no-audio.mp4") and start <= hit["time"] < end
        for hit in rocket["frames"][:2]
    )


def test_the_text_output_shows_the_time_and_the_file(talks, plain_jobs):
    result = plain_jobs.run("search.py", "--collection", PREFIX, "--in", "spoken", "lake behind the glacier")
    assert "1. 0:00 in valley-report.mp3" in result.stdout


def test_by_default_questions_are_embedded_with_the_models_of_the_collections(talks, plain_jobs):
    unnamed = replace(plain_jobs, models={})
    result = unnamed.run("search.py", "--collection", PREFIX, "--json", "--limit", "3", "how much water has the lake")
    assert result.code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["spoken"][0]["source"] == f"{talks.source}valley-report.mp3"
    assert len(answer["frames"]) == 3


def test_an_unavailable_model_skips_only_its_own_kind(talks, plain_jobs):
    flags = ["--collection", PREFIX, "--json", "--clip-model", "/no/such/folder"]
    result = replace(plain_jobs, models={}).run("search.py", *flags, "how much water has the lake")
    assert result.code == 0, result.stderr
    assert set(json.loads(result.stdout)) == {"question", "spoken"}
    assert "WARNING: skipped frames: --clip-model '/no/such/folder': there is no such folder" in result.stderr


def test_an_unavailable_model_of_a_requested_kind_is_an_error(talks, plain_jobs):
    flags = ["--collection", PREFIX, "--in", "frames,spoken", "--clip-model", "/no/such/folder"]
    result = replace(plain_jobs, models={}).run("search.py", *flags, "how much water has the lake")
    assert (result.code, result.stdout) == (2, "")
    assert "there is no such folder" in result.error
