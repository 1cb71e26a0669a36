"""The stage that transcribes speech, for Ray Data: whole recordings, and stretches of long ones."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa

from ingest.common.errors import JobError, ObjectError
from ingest.common.failures import Failure
from ingest.common.speech import SAMPLE_RATE, Language, Segment
from ingest.common.text import one_line
from ingest.common.tokenizer import tokenizer_of
from ingest.ledger.work_list import DIFFERENCE_SCHEMA
from ingest.media.passages import merge_segments
from ingest.stages.blocks import failure_of
from ingest.stages.gathering import Order, StretchCollectorClient
from ingest.stages.kept_transcripts import transcript_of_json, transcript_table
from ingest.stages.lazy_model import LazyModel
from ingest.stages.media_tables import TRANSCRIBED_SCHEMA
from ingest.stages.progress import Observe
from ingest.store.parse_cache import ParseCache

if TYPE_CHECKING:
    from ingest.models.speech_windows import Stretch
    from ingest.models.transcriber import Transcriber, Transcript

R = TypeVar("R")


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


@dataclass(frozen=True, slots=True)
class Part:
    """What is known of a recording from one of its stretches.

    Attributes:
        segments: of the stretch.
        language: of the recording; None if nobody speaks.
        row: the row of the stretch. That of the last one has what is known of the whole recording.
    """

    segments: list[Segment]
    language: Language | None
    row: Mapping[str, Any]


class Transcribe:
    """The actor with the Whisper model: it turns tables of FRAMES_SCHEMA into tables of TRANSCRIBED_SCHEMA.

    Of the stretches of a long recording, the one that comes last becomes the row of the recording, and the others
    become none. With a `cache` of transcripts, the first recording without one loads the model.
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
        collector: StretchCollectorClient,
        cache: ParseCache | None = None,
    ) -> None:
        import ray

        def load() -> Transcriber:
            from ingest.models.transcriber import Transcriber

            return Transcriber(model, threads, device, batch_size)

        self._transcriber = LazyModel(load, observe, at_once=cache is None)
        self._settings = settings
        self._tokenizer = tokenizer_of(settings.tokenizer_json)
        self._observe = observe
        self._before_embedding = before_embedding
        self._collector = collector
        self._name = str(ray.get_runtime_context().get_actor_id())
        self._cache = cache

    def __call__(self, table: pa.Table) -> pa.Table:
        sounds = [np.frombuffer(sound.as_buffer(), np.int16) for sound in table["audio"].combine_chunks()]
        vectors = table["frame_vectors"].combine_chunks()
        rows = []
        for index, row in enumerate(table.drop_columns(["audio", "frame_vectors"]).to_pylist()):
            row["frame_vectors"] = vectors[index].values.to_numpy()
            if row["stretch"] is not None:
                rows += self._gathered(row, sounds[index])
            elif row["transcript"] is not None:
                rows.append(self._read(row, transcript_of_json(row["transcript"]), new=False))
            elif len(sounds[index]):
                rows.append(self._heard(row, sounds[index]))
            else:
                rows.append({**row, "fields": [], "texts": []})
        return pa.Table.from_pylist(rows, TRANSCRIBED_SCHEMA)

    def _heard(self, row: Mapping[str, Any], samples: np.ndarray) -> dict[str, Any]:
        """The row of a recording that is whole."""
        transcriber, started = self._transcriber(), time.perf_counter()
        transcript = attempted(lambda: transcriber.transcribe(samples, self._settings.language or None))
        if isinstance(transcript, ObjectError):
            return _failed(row, transcript)
        self._observe("transcribe", round(len(samples) / SAMPLE_RATE), time.perf_counter() - started)
        return self._read(row, transcript)

    def _gathered(self, row: Mapping[str, Any], sound: np.ndarray) -> list[dict[str, Any]]:
        """The row of a recording of which a stretch has come; none if others are missing."""
        from ingest.models.speech_windows import Stretch

        stretch, key = Stretch.from_json(row["stretch"]), (row["source"], row["version"])
        transcriber = self._transcriber()
        known = transcriber.known_language(self._settings.language or None)
        order = self._collector.begin(key, stretch.number, self._name, known is None)
        if order.hear:
            found = attempted(lambda: self._part(row, stretch, sound, known or order.language, order))
            if isinstance(found, ObjectError):
                order = self._collector.fail(key, stretch.number, found)
            else:
                order = self._collector.end(key, stretch.number, stretch.last, found)
        if order.failure is not None:
            return [_failed(row, order.failure)]
        return [self._read(*_whole(order.parts))] if order.parts else []

    def _part(
        self, row: Mapping[str, Any], stretch: Stretch, sound: np.ndarray, language: Language | None, order: Order
    ) -> Part:
        """Transcribe a stretch of a recording, after its language was detected if that is up to this actor."""
        transcriber, started = self._transcriber(), time.perf_counter()
        if language is None and order.sample:
            language = transcriber.detect_language(list(order.sample))
            self._collector.put_language((row["source"], row["version"]), language)
        segments = transcriber.transcribe_stretch(stretch, sound, language) if language is not None else []
        seconds = round(stretch.end / SAMPLE_RATE) - round(stretch.begin / SAMPLE_RATE)
        self._observe("transcribe", seconds, time.perf_counter() - started)
        return Part(segments, language, row)

    def _read(self, row: Mapping[str, Any], transcript: Transcript, new: bool = True) -> dict[str, Any]:
        """The row of a recording with its passages. A transcript that is new is kept."""

        def read() -> dict[str, Any]:
            if new and self._cache is not None:
                self._cache.save(row["source"], row["version"], transcript_table(transcript))
            return self._with_passages(row, transcript)

        found = attempted(read)
        return _failed(row, found) if isinstance(found, ObjectError) else found

    def _with_passages(self, row: Mapping[str, Any], transcript: Transcript) -> dict[str, Any]:
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
            **row,
            "fields": [json.dumps(own) for own in fields],
            "texts": [passage.text for passage in passages],
            "metadata": json.dumps(metadata),
        }

    def _count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False))


def attempted(transcribe: Callable[[], R]) -> R | ObjectError:
    """What a function returns that transcribes, or the failure of the recording. JobErrors end the run."""
    try:
        return transcribe()
    except JobError:
        raise
    except Exception as error:
        return ObjectError(Failure.MODEL_ERROR, f"its speech cannot be transcribed ({one_line(error)})")


def _failed(row: Mapping[str, Any], failure: ObjectError) -> dict[str, Any]:
    return {**row, "fields": [], "texts": [], **failure_of(failure)}


def _whole(parts: Sequence[Part]) -> tuple[Mapping[str, Any], Transcript]:
    """The row of a recording and its transcript, from all its parts in order."""
    from ingest.models.transcriber import transcript_of_segments

    segments = [segment for part in parts for segment in part.segments]
    return parts[-1].row, transcript_of_segments(segments, parts[0].language)
