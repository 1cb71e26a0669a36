"""The stages of the video pipeline, for Ray Data, beside that of the speech (`transcribe`).

An object stays one row until it is transcribed, but for a long one, which has a row for each of its pieces (see
`media_tables`); from then on, it has a row for each of its parts (`video_parts`). Sound and key frames go through
different models. While the sound of one object is transcribed, the frames of the next are embedded, and the one after
that is decoded.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ingest.common.errors import ObjectError
from ingest.common.limits import Limits
from ingest.common.sandbox import Sandbox
from ingest.media.extraction import AUDIO_FILE, FRAMES_FILE, MediaSettings
from ingest.media.film_stretches import Sharing
from ingest.media.shared_film import BegunFilm, begin_film, prepare_media
from ingest.models.speech_windows import prepare_windows
from ingest.stages.blocks import PART_SCHEMA, VECTORS_FIELD, failure_of, flat_lists
from ingest.stages.clip import ClipStage
from ingest.stages.divided_recordings import DividedRecording, Division
from ingest.stages.gathering import StretchCollectorClient
from ingest.stages.kept_transcripts import transcript_json
from ingest.stages.media_tables import EXTRACTED_SCHEMA, FRAMES_SCHEMA
from ingest.stages.progress import Observe
from ingest.stages.shared_films import finished
from ingest.stages.texts import EmbedTexts
from ingest.stages.video_parts import pieces_of
from ingest.store.object_reading import ReadSettings, object_file
from ingest.store.owner_metadata import owner_metadata
from ingest.store.parse_cache import ParseCache
from ingest.store.temporary_folder import temporary_folder

SHARING = Sharing()
"""When the pictures of a film are shared among several processes."""


@dataclass(frozen=True, slots=True)
class ExtractSettings:
    """How objects are read and decoded: `limits` are checked meanwhile.

    Attributes:
        division: how long recordings are divided.
        cache: where transcripts are kept.
    """

    media: MediaSettings
    reading: ReadSettings
    limits: Limits
    division: Division
    cache: ParseCache | None = None

    def kept(self, entry: Mapping[str, Any]) -> pa.Table | None:
        """The transcript of an entry, if it was transcribed before."""
        return None if self.cache is None else self.cache.load(entry["source"], entry["version"])


@lru_cache(maxsize=1)
def _sandbox(limits: Limits) -> Sandbox:
    """One child for each of Ray's processes, kept from task to task."""
    return Sandbox(prepare_media, limits)


@lru_cache(maxsize=1)
def _finder(limits: Limits) -> Sandbox:
    """Another child, which finds the speech of long recordings while they are decoded."""
    return Sandbox(prepare_windows, limits)


def extract_media(
    block: pa.Table, settings: ExtractSettings, observe: Observe, collector: StretchCollectorClient
) -> Iterator[pa.Table]:
    """Extract the sound and the key frames of the objects of a block of differences; yields a table for each row.

    The tables have EXTRACTED_SCHEMA. A failed object becomes one row with its error. A failure of the object store
    raises, and ends the run.
    """
    for entry in block.to_pylist():
        with temporary_folder() as folder:
            for row, audio, frames in _rows(entry, folder, settings, observe, collector):
                columns = [
                    pa.array([row.get(name)], EXTRACTED_SCHEMA.field(name).type) for name in EXTRACTED_SCHEMA.names
                ]
                for name, content in (("audio", audio), ("frames", frames)):
                    columns[EXTRACTED_SCHEMA.get_field_index(name)] = _one_binary(content)
                yield pa.Table.from_arrays(columns, schema=EXTRACTED_SCHEMA)


def _rows(
    entry: Mapping[str, Any],
    folder: Path,
    settings: ExtractSettings,
    observe: Observe,
    collector: StretchCollectorClient,
) -> Iterator[tuple[dict[str, Any], pa.Buffer, pa.Buffer]]:
    """The rows of an object, with their sound and frames."""
    nothing = pa.py_buffer(b"")
    unknown = {**entry, "metadata": "{}", "audio_start": 0.0, "frame_times": []}
    key, path = (entry["source"], entry["version"]), folder / AUDIO_FILE
    with ThreadPoolExecutor(1, "decode") as thread:
        decoding = thread.submit(_extracted, entry, folder, settings, observe)
        recording = DividedRecording(key, path, decoding, settings.division, collector)
        kept = settings.kept(entry)
        if kept is None and recording.is_long():
            try:
                for stretch, sound in recording.stretches(_finder(settings.limits)):
                    if stretch.last:
                        known = {**entry, **decoding.result(), "stretch": stretch.to_json()}
                        yield from pieces_of(known, sound, _mapped(folder / FRAMES_FILE), stretch.number)
                    else:
                        piece = {"stretch": stretch.to_json(), "piece": stretch.number, "last_piece": False}
                        yield {**unknown, **piece}, sound, nothing
            except ObjectError as error:
                if (failure := recording.fail(error)) is not None:
                    yield {**unknown, **failure_of(failure)}, nothing, nothing
            return
        try:
            row = {**entry, **decoding.result()}
        except ObjectError as error:
            yield {**unknown, **failure_of(error)}, nothing, nothing
            return
    audio = _mapped(path)
    if audio.size and kept is not None:
        row, audio = {**row, "transcript": transcript_json(kept)}, nothing
    pieces = pieces_of(row, audio, _mapped(folder / FRAMES_FILE), None)
    if len(pieces) > 1:
        collector.announce(key, [])
    yield from pieces


def _extracted(entry: Mapping[str, Any], folder: Path, settings: ExtractSettings, observe: Observe) -> dict[str, Any]:
    settings.reading.check_size(entry["size"])
    started, headers = time.perf_counter(), dict[str, str]()
    place = entry["source"], entry["version"], folder, entry["size"], settings.reading
    with object_file(*place, note=headers.update) as path:
        owners = owner_metadata(entry, headers, settings.reading)
        read = time.perf_counter()
        observe("read", 1, read - started)
        sandbox = _sandbox(settings.limits)
        media = sandbox.run(begin_film, str(path), str(folder), settings.media, SHARING)
        if isinstance(media, BegunFilm):
            media = finished(media, folder, sandbox, settings.media, settings.limits)
    observe("parse", 1, time.perf_counter() - read)
    metadata = {"duration": round(media.duration, 3), **media.metadata, **owners}
    return {"audio_start": media.audio_start, "frame_times": media.frame_times, "metadata": json.dumps(metadata)}


def _mapped(path: Path) -> pa.Buffer:
    """The bytes of a file, mapped from disk and not copied into memory."""
    if not path.exists() or not path.stat().st_size:
        return pa.py_buffer(b"")
    return pa.memory_map(str(path)).read_buffer()


def _one_binary(content: pa.Buffer) -> pa.LargeBinaryArray:
    offsets = pa.py_buffer(np.array([0, content.size], np.int64))
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, offsets, content])


class EmbedFrames(ClipStage):
    """The actor that embeds key frames: it turns tables of EXTRACTED_SCHEMA into tables of FRAMES_SCHEMA."""

    def __call__(self, table: pa.Table) -> pa.Table:
        # One row at a time: to concatenate the frames of several would copy them all.
        found = [
            self.embedded("frames", np.frombuffer(frames.as_buffer(), np.uint8).reshape(-1, self.size, self.size, 3))
            for frames in table["frames"].combine_chunks()
        ]
        lists = flat_lists(np.concatenate(found), np.array([len(vectors) for vectors in found], np.int64))
        return table.append_column("frame_vectors", lists).select(FRAMES_SCHEMA.names)


class EmbedPassages(EmbedTexts):
    """The actor with the text model: it turns tables of TRANSCRIBED_SCHEMA into parts with `vectors`."""

    def __call__(self, table: pa.Table) -> pa.Table:
        known = table["known_vectors"].combine_chunks()
        vectors = [
            (seen if seen.is_valid else spoken).values.to_numpy()
            for spoken, seen in zip(self.vectors(table), known, strict=True)
        ]
        values = np.concatenate([np.empty(0, np.float32), *vectors]).reshape(-1, 1)
        lists = flat_lists(values, np.array([len(own) for own in vectors], np.int64))
        return table.select(PART_SCHEMA.names).append_column(VECTORS_FIELD, lists)
