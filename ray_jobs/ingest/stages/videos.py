"""The stages of the video pipeline, for Ray Data: an object stays one row, from its file to its vectors.

Its sound and its key frames go through different models. While the sound of one object is transcribed, the frames of
the next are embedded, and the one after that is decoded.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ingest.common.errors import JobError, ObjectError
from ingest.common.failures import Failure
from ingest.common.limits import Limits
from ingest.common.sandbox import Sandbox
from ingest.common.speech import SAMPLE_RATE
from ingest.common.text import one_line
from ingest.common.tokenizer import tokenizer_of
from ingest.ledger.work_list import DIFFERENCE_SCHEMA
from ingest.media.extraction import AUDIO_FILE, FRAMES_FILE, MediaSettings, extract, prepare_media
from ingest.media.passages import merge_segments
from ingest.stages.blocks import PART_SCHEMA, READ_SCHEMA, VECTORS_FIELD, failed_part, failure_of, flat_lists
from ingest.stages.clip import ClipStage
from ingest.stages.kept_transcripts import transcript_of, transcript_table
from ingest.stages.lazy_model import LazyModel
from ingest.stages.progress import Observe
from ingest.stages.texts import EmbedTexts
from ingest.store.object_reading import ReadSettings, object_file
from ingest.store.parse_cache import ParseCache
from ingest.store.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from ingest.models.transcriber import Transcriber, Transcript

_TIMES = pa.field("frame_times", pa.list_(pa.float64()))

EXTRACTED_SCHEMA = pa.schema(
    [*READ_SCHEMA, ("audio", pa.large_binary()), ("audio_start", pa.float64()), ("frames", pa.large_binary()), _TIMES]
)
"""An object's sound, 16 kHz mono int16; its key frames, uint8 RGB of shape (count, size, size, 3); and their times."""

FRAMES_SCHEMA = pa.schema([*READ_SCHEMA, ("audio", pa.large_binary()), ("audio_start", pa.float64()), _TIMES,
                  ("frame_vectors", pa.large_list(pa.float32()))])  # fmt: skip
"""EXTRACTED_SCHEMA with the frames replaced by their vectors, concatenated."""

TRANSCRIBED_SCHEMA = pa.schema(
    [
        *READ_SCHEMA,
        _TIMES,
        FRAMES_SCHEMA.field("frame_vectors"),
        ("fields", pa.list_(pa.string())),
        ("texts", pa.list_(pa.string())),
    ]
)
"""FRAMES_SCHEMA with the sound replaced by its passages, in the columns `fields` and `texts` of PART_SCHEMA."""


@dataclass(frozen=True, slots=True)
class ExtractSettings:
    """How objects are read and decoded: `limits` are checked meanwhile."""

    media: MediaSettings
    reading: ReadSettings
    limits: Limits


@lru_cache(maxsize=1)
def _sandbox(limits: Limits) -> Sandbox:
    """One child for each of Ray's processes, kept from task to task."""
    return Sandbox(prepare_media, limits)


def extract_media(block: pa.Table, settings: ExtractSettings, observe: Observe) -> Iterator[pa.Table]:
    """Extract the sound and the key frames of the objects of a block of differences; yields a table for each.

    The tables have EXTRACTED_SCHEMA. A failed object becomes one row with its error. A failure of the object store
    raises, and ends the run.
    """
    for entry in block.to_pylist():
        with temporary_folder() as folder:
            try:
                row = {**entry, **_extracted(entry, folder, settings, observe)}
                audio, frames = _mapped(folder / AUDIO_FILE), _mapped(folder / FRAMES_FILE)
            except ObjectError as error:
                row = {**entry, **failure_of(error), "metadata": "{}", "audio_start": 0.0, "frame_times": []}
                audio = frames = pa.py_buffer(b"")
            columns = [pa.array([row.get(name)], EXTRACTED_SCHEMA.field(name).type) for name in EXTRACTED_SCHEMA.names]
            for name, content in (("audio", audio), ("frames", frames)):
                columns[EXTRACTED_SCHEMA.get_field_index(name)] = _one_binary(content)
            yield pa.Table.from_arrays(columns, schema=EXTRACTED_SCHEMA)


def _extracted(entry: Mapping[str, Any], folder: Path, settings: ExtractSettings, observe: Observe) -> dict[str, Any]:
    settings.reading.check_size(entry["size"])
    started = time.perf_counter()
    with object_file(entry["source"], entry["version"], folder, entry["size"], settings.reading) as path:
        read = time.perf_counter()
        observe("read", 1, read - started)
        media = _sandbox(settings.limits).run(extract, str(path), str(folder), settings.media)
    observe("parse", 1, time.perf_counter() - read)
    metadata = {"duration": round(media.duration, 3), **media.metadata}
    return {"audio_start": media.audio_start, "frame_times": media.frame_times, "metadata": json.dumps(metadata)}


def _mapped(path: Path) -> pa.Buffer:
    """The bytes of a file, mapped from disk and not copied into memory."""
    if not path.exists() or not path.stat().st_size:
        return pa.py_buffer(b"")
    return pa.memory_map(str(path)).read_buffer()


def _one_binary(content: pa.Buffer) -> pa.LargeBinaryArray:
    offsets = pa.py_buffer(np.array([0, content.size], np.int64))
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, offsets, content])


def _bytes_of(scalar: pa.LargeBinaryScalar, kind: type) -> np.ndarray:
    return np.frombuffer(scalar.as_buffer(), kind)


class EmbedFrames(ClipStage):
    """The actor that embeds key frames: it turns tables of EXTRACTED_SCHEMA into tables of FRAMES_SCHEMA."""

    def __call__(self, table: pa.Table) -> pa.Table:
        # One object at a time: to concatenate the frames of several objects would copy them all.
        found = [
            self.embedded("frames", _bytes_of(frames, np.uint8).reshape(-1, self.size, self.size, 3))
            for frames in table["frames"].combine_chunks()
        ]
        lists = flat_lists(np.concatenate(found), np.array([len(vectors) for vectors in found], np.int64))
        return table.append_column("frame_vectors", lists).select(FRAMES_SCHEMA.names)


@dataclass(frozen=True, slots=True)
class PassageSettings:
    """How speech becomes passages.

    Attributes:
        language: the code of the language; if empty, Whisper detects it.
        tokens: the longest passage in tokens of the text model.
        seconds: the longest passage in seconds.
        tokenizer_json: the contents of the text model's `tokenizer.json`.
    """

    language: str
    tokens: int
    seconds: float
    tokenizer_json: str


class Transcribe:
    """The actor with the Whisper model: it turns tables of FRAMES_SCHEMA into tables of TRANSCRIBED_SCHEMA.

    With a `cache` of transcripts, the first recording without one loads the model.
    """

    def __init__(
        self,
        model: str,
        settings: PassageSettings,
        threads: int,
        batch_size: int,
        device: str,
        observe: Observe,
        before_embedding: Callable[[Mapping[str, Any]], None] | None,
        cache: ParseCache | None = None,
    ) -> None:
        def load() -> Transcriber:
            from ingest.models.transcriber import Transcriber

            return Transcriber(model, threads, device, batch_size)

        self._transcriber = LazyModel(load, observe, at_once=cache is None)
        self._settings = settings
        self._tokenizer = tokenizer_of(settings.tokenizer_json)
        self._observe = observe
        self._before_embedding = before_embedding
        self._cache = cache

    def __call__(self, table: pa.Table) -> pa.Table:
        rows = []
        for row, audio in zip(table.drop_columns(["audio"]).to_pylist(), table["audio"].combine_chunks(), strict=True):
            heard: dict[str, Any] = {"fields": [], "texts": []}
            samples = _bytes_of(audio, np.int16)
            if len(samples):
                try:
                    heard = self._heard(row, samples)
                except JobError:
                    raise
                except Exception as error:
                    heard |= failure_of(
                        ObjectError(Failure.MODEL_ERROR, f"its speech cannot be transcribed ({one_line(error)})")
                    )
            rows.append({**row, **heard})
        return pa.Table.from_pylist(rows, TRANSCRIBED_SCHEMA)

    def _heard(self, row: Mapping[str, Any], samples: np.ndarray) -> dict[str, Any]:
        transcript = self._transcript(row, samples)
        passages = list(merge_segments(transcript.segments, self._count, self._settings.tokens, self._settings.seconds))
        if passages and self._before_embedding is not None:
            self._before_embedding({name: row[name] for name in DIFFERENCE_SCHEMA.names})
        metadata = json.loads(row["metadata"])
        fields = []
        if transcript.language is not None:
            metadata |= {"language": transcript.language, "language_probability": round(transcript.probability, 3)}
            fields = [
                {
                    "start": round(row["audio_start"] + passage.start, 2),
                    "end": round(row["audio_start"] + passage.end, 2),
                    "metadata": {
                        "language": transcript.language,
                        "marks": [[at, round(row["audio_start"] + start, 2)] for at, start in passage.marks],
                    },
                }
                for passage in passages
            ]
        return {
            "fields": [json.dumps(own) for own in fields],
            "texts": [passage.text for passage in passages],
            "metadata": json.dumps(metadata),
        }

    def _transcript(self, row: Mapping[str, Any], samples: np.ndarray) -> Transcript:
        if self._cache is not None and (kept := self._cache.load(row["source"], row["version"])) is not None:
            return transcript_of(kept)
        transcriber, started = self._transcriber(), time.perf_counter()
        transcript = transcriber.transcribe(samples, self._settings.language or None)
        self._observe("transcribe", round(len(samples) / SAMPLE_RATE), time.perf_counter() - started)
        if self._cache is not None:
            self._cache.save(row["source"], row["version"], transcript_table(transcript))
        return transcript

    def _count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False))


class EmbedPassages(EmbedTexts):
    """The actor with the text model: it turns TRANSCRIBED_SCHEMA into parts of both collections with `vectors`."""

    def __call__(self, table: pa.Table) -> pa.Table:
        parts: list[dict[str, Any]] = []
        vectors: list[np.ndarray] = []
        passages, frames = self.vectors(table), table["frame_vectors"].combine_chunks()
        for row, spoken, seen in zip(table.to_pylist(), passages, frames, strict=True):
            if row["error_type"]:
                parts.append(failed_part(row, row))
                vectors.append(np.empty(0, np.float32))
                continue
            totals = [len(row["texts"]), len(row["frame_times"])]
            known = {name: row[name] for name in READ_SCHEMA.names} | {"totals": totals}
            if totals[0] or not totals[1]:
                parts.append({**known, "collection": 0, "first": 0, "fields": row["fields"], "texts": row["texts"]})
                vectors.append(spoken.values.to_numpy())
            if totals[1]:
                fields = [json.dumps({"time": round(at, 3), "metadata": {}}) for at in row["frame_times"]]
                parts.append({**known, "collection": 1, "first": totals[0], "fields": fields, "texts": []})
                vectors.append(seen.values.to_numpy())
        values = np.concatenate(vectors).reshape(-1, 1) if vectors else np.empty((0, 1), np.float32)
        lists = flat_lists(values, np.array([len(own) for own in vectors], np.int64))
        return pa.Table.from_pylist(parts, PART_SCHEMA).append_column(VECTORS_FIELD, lists)
