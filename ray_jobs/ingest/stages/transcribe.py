"""The stage that transcribes speech, for Ray Data: whole recordings, and pieces of long ones, put together again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
from ingest.stages.video_parts import parts_of
from ingest.store.parse_cache import ParseCache

if TYPE_CHECKING:
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
    """What is known of a recording from one of its pieces.

    Attributes:
        row: the row of the piece. That of the last one has what is known of the whole recording.
        segments: of its sound.
        language: of the recording; None if nobody speaks.
        new: whether its sound was transcribed now.
    """

    row: Mapping[str, Any]
    segments: list[Segment] = field(default_factory=list)
    language: Language | None = None
    new: bool = False


class Transcribe:
    """The actor with the Whisper model: it turns tables of FRAMES_SCHEMA into tables of TRANSCRIBED_SCHEMA.

    A recording becomes its parts. Of the pieces of a long one, that which comes last becomes the parts of the
    recording, and the others become none. With a `cache` of transcripts, the first recording without one loads the
    model.
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
        parts: list[dict[str, Any]] = []
        for index, row in enumerate(table.drop_columns(["audio", "frame_vectors"]).to_pylist()):
            row["frame_vectors"] = vectors[index].values.to_numpy()
            found = self._whole(row, sounds[index]) if row["piece"] is None else self._gathered(row, sounds[index])
            parts += [] if found is None else parts_of(found)
        return pa.Table.from_pylist(parts, TRANSCRIBED_SCHEMA)

    def _whole(self, row: Mapping[str, Any], sound: np.ndarray) -> dict[str, Any]:
        """The recording of a row that is no piece."""
        found = attempted(lambda: self._part(row, sound, Order()))
        return _failed(row, found) if isinstance(found, ObjectError) else self._read([found])

    def _gathered(self, row: Mapping[str, Any], sound: np.ndarray) -> dict[str, Any] | None:
        """The recording of which a piece has come; None if others are missing."""
        key, number = (row["source"], row["version"]), row["piece"]
        order = self._collector.begin(key, number, self._name, row["stretch"] is not None and self._known() is None)
        if order.hear:
            found = attempted(lambda: self._part(row, sound, order))
            if isinstance(found, ObjectError):
                order = self._collector.fail(key, number, found)
            else:
                order = self._collector.end(key, number, row["last_piece"], found)
        if order.failure is not None:
            return _failed(row, order.failure)
        return self._read(order.parts) if order.parts else None

    def _known(self) -> Language | None:
        """The language of all recordings, if it is known."""
        return self._transcriber().known_language(self._settings.language or None)

    def _part(self, row: Mapping[str, Any], sound: np.ndarray, order: Order) -> Part:
        """Transcribe the sound of a row, if it has any that was not transcribed before."""
        if row["stretch"] is not None:
            return self._stretch(row, sound, order)
        if row["transcript"] is not None:
            return _part_of(row, transcript_of_json(row["transcript"]), new=False)
        if not len(sound):
            return Part(row)
        transcriber, started = self._transcriber(), time.perf_counter()
        transcript = transcriber.transcribe(sound, self._settings.language or None)
        self._observe("transcribe", round(len(sound) / SAMPLE_RATE), time.perf_counter() - started)
        return _part_of(row, transcript, new=True)

    def _stretch(self, row: Mapping[str, Any], sound: np.ndarray, order: Order) -> Part:
        """Transcribe a stretch of a recording, after its language was detected if that is up to this actor."""
        from ingest.models.speech_windows import Stretch

        transcriber, stretch, started = self._transcriber(), Stretch.from_json(row["stretch"]), time.perf_counter()
        language = self._known() or order.language
        if language is None and order.sample:
            language = transcriber.detect_language(list(order.sample))
            self._collector.put_language((row["source"], row["version"]), language)
        segments = transcriber.transcribe_stretch(stretch, sound, language) if language is not None else []
        seconds = round(stretch.end / SAMPLE_RATE) - round(stretch.begin / SAMPLE_RATE)
        self._observe("transcribe", seconds, time.perf_counter() - started)
        return Part(row, segments, language, new=True)

    def _read(self, parts: Sequence[Part]) -> dict[str, Any]:
        """A recording with its passages, from all its pieces in order. A transcript that is new is kept."""
        row, transcript = _joined(parts)

        def read() -> dict[str, Any]:
            if self._cache is not None and any(part.new for part in parts):
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
                        "marks": _shifted(passage.marks, row["audio_start"]),
                        **({"words": _shifted(passage.words, row["audio_start"])} if passage.words else {}),
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


def _shifted(marks: Sequence[tuple[int, float]], seconds: float) -> list[list[float]]:
    """Offsets in a text with their times, which begin so many seconds later."""
    return [[at, round(seconds + start, 2)] for at, start in marks]


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


def _part_of(row: Mapping[str, Any], transcript: Transcript, new: bool) -> Part:
    """The part of a recording whose sound is whole."""
    code = transcript.language
    return Part(row, transcript.segments, None if code is None else Language(code, transcript.probability), new)


def _joined(parts: Sequence[Part]) -> tuple[dict[str, Any], Transcript]:
    """The row of a recording and its transcript, from all its pieces in order."""
    from ingest.models.transcriber import transcript_of_segments

    row = {
        **parts[-1].row,
        "frame_times": [at for part in parts for at in part.row["frame_times"]],
        "frame_vectors": np.concatenate([part.row["frame_vectors"] for part in parts]),
    }
    return row, transcript_of_segments([segment for part in parts for segment in part.segments], parts[0].language)
