"""ingest_images.py with a real Ray head, object store and Milvus: photos are found, and bad files fail alone."""

import json

import pytest

from embedded.images import PHOTOS, make_odd_images, make_photos

# In the default run the demo ingests and searches images.
pytestmark = pytest.mark.nightly

BUCKET = "ingest-images"
PREFIX = "album_"
ODD = make_odd_images()


class Album:
    """Photos and odd images under a prefix, ingested once, and again after one was deleted."""

    def __init__(self, jobs, plain_jobs, store, client):
        self.source = f"{store.bucket(BUCKET)}/album/"
        self.client = client
        self.s3 = store.client()
        self.files = {**make_photos(), **{name: odd.data for name, odd in ODD.items()}}
        for name, data in self.files.items():
            self.s3.put_object(Bucket=BUCKET, Key=f"album/{name}", Body=data, Metadata={"album": "summer"})
        flags = ["--source", self.source, "--collection", PREFIX]
        self.first = jobs.run("ingest_images.py", *flags, "--max-failed-fraction", "0.3")
        self.rows = self.read("images", "id", ["id", "source", "ordinal", "width", "height", "metadata"])
        self.ledger = self.read("sources", "source", ["status", "rows", "stage", "error_type", "error_message"])
        self.s3.delete_object(Bucket=BUCKET, Key="album/coffee.jpg")
        # Without a Ray head: a run that only deletes must not need one.
        self.second = plain_jobs.run("ingest_images.py", *flags, "--max-failed-fraction", "0.3")
        self.after = self.read("images", "id", ["id", "source"])

    def read(self, name, key, fields):
        return self.client.query(
            PREFIX + name, filter=f'{key} != ""', output_fields=[key, *fields], limit=1000, consistency_level="Strong"
        )


@pytest.fixture(scope="module")
def album(jobs, plain_jobs, object_store, milvus_client):
    return Album(jobs, plain_jobs, object_store, milvus_client)


def test_every_image_that_can_be_shown_has_a_row_with_its_size(album):
    assert album.first.code == 0, album.first.stderr
    sizes = {row["source"].removeprefix(album.source): (row["width"], row["height"]) for row in album.rows}
    assert {name: sizes.pop(name, None) for name in ODD} == {name: odd.shown for name, odd in ODD.items()}
    assert set(sizes) == {photo.file for photo in PHOTOS}


def test_what_owners_say_about_their_images_is_in_their_rows(album):
    assert {row["metadata"]["owner"]["album"] for row in album.rows} == {"summer"}


def test_every_other_image_is_in_the_ledger_with_a_sentence(album):
    failed = {row["source"].removeprefix(album.source): row for row in album.ledger if row["status"] == "failed"}
    assert set(failed) == {name for name, odd in ODD.items() if not odd.shown}
    assert {row["stage"] for row in failed.values()} == {"parse"}
    assert all(";" in row["error_message"] or "empty" in row["error_message"] for row in failed.values())
    assert album.first.report["failed"] == len(failed)


def test_the_next_run_reads_no_image_and_deletes_the_row_of_a_deleted_one(album):
    report = album.second.report
    assert (report["changed"], report["deleted"], report["added"]) == (0, 1, 0)
    assert "read" not in report["stages"]
    before = {row["source"].removeprefix(album.source) for row in album.rows}
    assert {row["source"].removeprefix(album.source) for row in album.after} == before - {"coffee.jpg"}


def test_texts_and_images_find_the_photos(album, plain_jobs, tmp_path):
    cat = tmp_path / "another-cat.png"
    cat.write_bytes(ODD["transparent.png"].data)
    page = tmp_path / "answers.html"
    wanted = [photo for photo in PHOTOS if photo.file in ("motorcycle.jpg", "flower.jpg")]
    flags = ["--collection", PREFIX, "--json", "--image", str(cat), "--html", str(page), "--limit", "30"]
    result = plain_jobs.run("search.py", *flags, *(photo.text for photo in wanted))
    assert result.code == 0, result.stderr
    *texts, image = [json.loads(line) for line in result.stdout.splitlines()]
    for photo, answer in zip(wanted, texts, strict=True):
        assert answer["images"][0]["source"] == album.source + photo.file
    assert "cat.jpg" in [hit["source"].removeprefix(album.source) for hit in image["images"][:20]]
    assert set(image) == {"question", "images"}
    assert page.read_text().count("<img ") > 2 * len(ODD)


def test_a_query_image_that_is_not_an_image_is_reported_in_one_sentence(album, plain_jobs, tmp_path):
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    result = plain_jobs.run("search.py", "--collection", PREFIX, "--image", str(text))
    assert result.code == 2
    assert "this is not an image" in result.error
