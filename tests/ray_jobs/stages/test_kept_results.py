"""With a parse cache, stages give the rows that they give without one, from objects and models that are gone."""

import json
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pymupdf
import pytest

from embedded.pdfs import make_pdf
from ingest.common.errors import JobError
from ingest.common.limits import Limits
from ingest.common.speech import Segment
from ingest.models import captioner
from ingest.models.transcriber import Transcript
from ingest.pdf.chunking import ChunkSettings
from ingest.pdf.document import DocumentSettings, prepare_documents, read_again, read_document
from ingest.stages import pdfs
from ingest.stages.captions import PICTURED_SCHEMA, CaptionFigures
from ingest.stages.gathering import StretchCollectorClient
from ingest.stages.kept_documents import document_of, table_of
from ingest.stages.kept_transcripts import transcript_json, transcript_of_json, transcript_table
from ingest.stages.media_tables import FRAMES_SCHEMA
from ingest.stages.pdfs import ParseSettings, parse_documents
from ingest.stages.transcribe import PassageSettings, Transcribe
from ingest.store.object_reading import ReadSettings
from ingest.store.object_store import list_objects
from ingest.store.parse_cache import ParseCache

LIMITS = Limits()


@pytest.fixture
def cache(tmp_path):
    return ParseCache(f"{tmp_path}/kept/", "pdfs", "pages", {}, "1")


def unobserved(*_):
    pass


def entries(folder):
    return pa.Table.from_pylist(
        [
            {
                "source": found.source, "version": found.version, "size": found.size, "modified": found.modified,
                "change": "new", "attempts": 0,
            }
            for found in list_objects(f"file://{folder}/", (".pdf",))
        ]
    )  # fmt: skip


def parsed(block, tokenizer_json, tokens, cache, max_pages=100):
    document = DocumentSettings(ChunkSettings(tokens, 0), max_pages, ocr=False, figures=True, keep=cache is not None)
    settings = ParseSettings(document, ReadSettings(), LIMITS, cache)
    try:
        return [row for t in parse_documents(block, tokenizer_json, settings, unobserved) for row in t.to_pylist()]
    finally:
        pdfs._sandbox.cache_clear()


@pytest.fixture(scope="module")
def tokenizer_json():
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({"x": 0}, unk_token="x"))
    tokenizer.pre_tokenizer = Whitespace()
    return tokenizer.to_str()


def with_figure():
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((50, 50), "A figure follows.")
        picture = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.IRect(0, 0, 200, 200))
        picture.set_rect(pymupdf.IRect(20, 20, 120, 120), (200, 30, 30))
        page.insert_image(pymupdf.Rect(100, 100, 400, 400), pixmap=picture)
        document.new_page()
        return document.tobytes()


@pytest.mark.tier("parts")
def test_documents_are_chunked_anew_without_being_read(tmp_path, cache, tokenizer_json):
    words = " ".join(f"word{number}" for number in range(300))
    (tmp_path / "a.pdf").write_bytes(make_pdf(words, words))
    (tmp_path / "b.pdf").write_bytes(with_figure())
    (tmp_path / "c.pdf").write_bytes(b"no PDF")
    block = entries(tmp_path)
    first = parsed(block, tokenizer_json, 100, cache)
    without = parsed(block, tokenizer_json, 40, None)
    for name in ("a.pdf", "b.pdf"):
        (tmp_path / name).unlink()
    again = parsed(block, tokenizer_json, 40, cache)
    assert again == without
    assert len(again[0]["texts"]) > len(first[0]["texts"])
    assert [row["error_type"] for row in again if row["source"].endswith("c.pdf")] == ["NotAPdf"]
    assert any(picture for row in again for picture in row["pictures"])


def test_documents_that_were_kept_before_there_were_places_have_none(tokenizer_json):
    prepare_documents(tokenizer_json)
    settings = DocumentSettings(ChunkSettings(40, 0), 100, ocr=False, keep=True)
    table = table_of(read_document(make_pdf("The keeper climbs the tower."), settings))
    (placed,) = read_again(*document_of(table), settings).chunks
    assert len(placed.metadata.pop("place")["boxes"]) == 1
    (chunk,) = read_again(*document_of(table.drop_columns(["size", "boxes", "lines"])), settings).chunks
    assert chunk == placed


@pytest.mark.nightly
@pytest.mark.tier("parts")
def test_a_lower_limit_on_pages_holds_for_kept_documents(tmp_path, cache, tokenizer_json):
    (tmp_path / "a.pdf").write_bytes(make_pdf("one", "two", "three"))
    block = entries(tmp_path)
    parsed(block, tokenizer_json, 100, cache)
    (row,) = parsed(block, tokenizer_json, 100, cache, max_pages=2)
    assert (row["error_type"], row["limit"]) == ("TooManyPages", 2)


def pictured(chunks, figures, version="v1"):
    """Parts of an object as `parse_documents` makes them, each with two figures at most."""
    common = {
        "source": "s3://b/a.pdf", "version": version, "size": 1, "change": "new", "attempts": 0, "metadata": "{}",
        "collection": 0, "totals": [chunks + figures],
    }  # fmt: skip
    texts = [f"chunk {number}" for number in range(chunks)]
    rows = [{**common, "first": 0, "fields": ["{}"] * chunks, "texts": texts, "pictures": [None] * chunks}]
    for start in range(0, figures, 2):
        pictures = [b"picture %d" % number for number in range(start, min(start + 2, figures))]
        fields, texts = ["{}"] * len(pictures), [None] * len(pictures)
        rows.append({**common, "first": chunks + start, "fields": fields, "texts": texts, "pictures": pictures})
    return pa.Table.from_pylist(rows, PICTURED_SCHEMA)


class Captioner:
    """Names each picture; the real model takes seconds to load."""

    asked: ClassVar[list[bytes]] = []

    def __init__(self, *_):
        pass

    def caption(self, pictures):
        self.asked.extend(pictures)
        return [f"caption of {picture.decode()}" for picture in pictures]


@pytest.fixture
def asked(monkeypatch):
    monkeypatch.setattr(captioner, "Captioner", Captioner)
    Captioner.asked = []
    return Captioner.asked


def texts(table):
    return [text for texts in table["texts"].to_pylist() for text in texts]


def test_captions_are_made_once_however_many_chunks_precede_them(cache, asked):
    stage = CaptionFigures("model", 1, 8, "cpu", unobserved, cache)
    before = texts(stage(pictured(3, 3)))
    assert before[3:] == ["caption of picture 0", "caption of picture 1", "caption of picture 2"]
    after = texts(stage(pictured(5, 3)))
    assert after[5:] == before[3:]
    assert len(asked) == 3
    stage(pictured(5, 3, version="v2"))
    assert len(asked) == 6


def test_parts_with_and_without_kept_captions_mix(cache, asked):
    stage = CaptionFigures("model", 1, 8, "cpu", unobserved, cache)
    table = pictured(1, 5)
    stage(table.slice(2, 1))
    assert texts(stage(table))[1:] == [f"caption of picture {number}" for number in range(5)]
    assert len(asked) == 5


def test_no_model_is_loaded_while_all_captions_are_kept(cache, asked, monkeypatch):
    CaptionFigures("model", 1, 8, "cpu", unobserved, cache)(pictured(1, 2))
    monkeypatch.setattr(captioner, "Captioner", lambda *_: pytest.fail("the model was loaded"))
    assert texts(CaptionFigures("model", 1, 8, "cpu", unobserved, cache)(pictured(1, 2)))[1:] == [
        "caption of picture 0",
        "caption of picture 1",
    ]


def heard_row(source="s3://b/a.mp3"):
    return {
        "source": source, "version": "v1", "size": 1, "change": "new", "attempts": 0, "metadata": "{}",
        "audio": np.ones(16_000, np.int16).tobytes(), "audio_start": 10.0, "frame_times": [], "frame_vectors": [],
    }  # fmt: skip


def test_a_model_that_cannot_be_loaded_ends_the_run_and_is_no_failure_of_the_recording(cache, tokenizer_json):
    settings = PassageSettings("", 100, 30.0, tokenizer_json)
    stage = Transcribe("/no/such/model", settings, 1, 8, "cpu", unobserved, None, StretchCollectorClient(None), cache)
    with pytest.raises(JobError, match=r"could not load its model .*check the model's name"):
        stage(pa.Table.from_pylist([heard_row()], FRAMES_SCHEMA))


def test_a_transcript_is_kept_with_its_times_of_words_and_read_without_them_from_before():
    segments = [Segment(0.0, 1.5, "Hello there.", ((6, 0.75),)), Segment(1.5, 2.0, "Bye.")]
    table = transcript_table(Transcript(segments, "en", 0.9))
    assert transcript_of_json(transcript_json(table)).segments == segments
    before = transcript_of_json(transcript_json(table.drop_columns(["offsets", "starts"]))).segments
    assert before == [replace(segment, words=()) for segment in segments]


def test_a_kept_transcript_needs_no_model(cache, tokenizer_json):
    segments = [Segment(0.0, 1.5, "Hello there."), Segment(1.5, 2.0, "Bye.")]
    kept = transcript_json(transcript_table(Transcript(segments, "en", 0.9)))
    settings = PassageSettings("", 100, 30.0, tokenizer_json)
    stage = Transcribe("no such model", settings, 1, 8, "cpu", unobserved, None, StretchCollectorClient(None), cache)
    row = {**heard_row(), "audio": b"", "transcript": kept}
    (heard,) = stage(pa.Table.from_pylist([row], FRAMES_SCHEMA)).to_pylist()
    assert heard["error_type"] is None
    assert heard["texts"] == ["Hello there. Bye."]
    assert json.loads(heard["metadata"]) == {"language": "en", "language_probability": 0.9}
    assert json.loads(heard["fields"][0])["start"] == 10.0
