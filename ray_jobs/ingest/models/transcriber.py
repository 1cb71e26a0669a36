"""Transcribe speech with faster-whisper: recordings of any length in bounded memory, true times, no invented text.

A recording is read in windows of a few minutes that end in silence, whose speech is joined into clips of at most half a
minute; or in stretches of these windows (`speech_windows`). A clip is a continuous part of the recording, pauses
included, so that Whisper's times within a clip are times of the recording. Clips are transcribed in batches.

A batch is decoded once. A clip whose text has a low probability is transcribed again alone, with the fallbacks of the
original (Radford et al. 2022, section 4.5). A text that repeats itself may be an announcement that is said three times,
or a loop of the model: the clip is halved between two phrases, until each part says its own. If the text ends before
the speech does, the rest becomes a clip of its own: faster-whisper does not continue unfinished answers in a batch, and
Whisper stops where the language changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.errors import ConfigurationError
from ingest.common.gpu_memory import halved_batch_size
from ingest.common.speech import SAMPLE_RATE, Language, Segment
from ingest.common.text import as_typed
from ingest.models.speech_windows import Clip, Stretch, for_language, windows
from ingest.models.word_times import keep_segment_times, starts_of

if TYPE_CHECKING:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

_MISSED_SPEECH = 1.5
"""Seconds of speech after the last segment that show that a part is missing; padding accounts for most of a second."""

_SHORTEST_WORD = 0.2
"""Seconds that a short word takes."""

_MAX_COMPRESSION = 2.4
_MIN_LOG_PROBABILITY = -1.0
_NO_SPEECH = 0.6
"""Thresholds of the original (Radford et al. 2022, section 4.5)."""

_SURE_LANGUAGE = 0.8
"""Probability above which the detected language of a clip counts when a window may hold several."""

_NOT_SPEECH = re.compile(r"^\W*$|^\s*[\[(♪*][^\])♪*]*[\])♪*]\s*$")
"""Matches text that is no speech: dots, notes, `[Music]`."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """The speech of a recording.

    Attributes:
        segments: in order of time.
        language: code of the language, such as `en`; None if nobody speaks.
        probability: probability of that language, from 0 to 1.
    """

    segments: list[Segment]
    language: str | None
    probability: float


def transcript_of_segments(segments: list[Segment], language: Language | None) -> Transcript:
    """The transcript of a recording in a language, which is unknown if nobody speaks."""
    if not segments or language is None:
        return Transcript([], None, 0.0)
    return Transcript(segments, language.code, language.probability)


class Transcriber:
    """A loaded Whisper model.

    Args:
        name: size, hub name or path, as in `SpeechModel.name`.
        threads: CPU threads that it may use.
        device: `cuda`, `cpu`, or None to use a GPU if there is one.
        batch_size: clips per forward pass; halved for good when they exceed the GPU's memory.
    """

    def __init__(self, name: str, threads: int = 1, device: str | None = None, batch_size: int = 8) -> None:
        import ctranslate2
        from faster_whisper import BatchedInferencePipeline, WhisperModel

        if device is None:
            device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
        self._model: WhisperModel = WhisperModel(
            name, device=device, compute_type="int8" if device == "cpu" else "float16", cpu_threads=threads
        )
        if device != "cpu":
            # CTranslate2 loads CUDA's libraries with its first batch: without them, fail here and not at each file.
            self._model.encode(self._model.feature_extractor(np.zeros(SAMPLE_RATE, np.float32)))
        keep_segment_times(self._model)
        self._pipeline: BatchedInferencePipeline = BatchedInferencePipeline(self._model)
        self._unfinished: list[bool] = []
        generate = self._pipeline.generate_segment_batched
        self._pipeline.generate_segment_batched = _recording_unfinished(generate, self._unfinished)
        self.batch_size = batch_size

    def transcribe(self, pcm: memoryview | np.ndarray, language: str | None = None) -> Transcript:
        """Transcribe a recording.

        Args:
            pcm: int16 samples, mono, 16 kHz; an array, or a memoryview of one that is mapped from a file.
            language: code of the language; None to detect it. An English model takes all speech for English.

        Raises:
            ConfigurationError: Whisper does not know the language.
        """
        samples = np.frombuffer(pcm, np.int16) if isinstance(pcm, memoryview) else pcm
        spoken = self.known_language(language)
        segments: list[Segment] = []
        for window, sound in windows(samples):
            if spoken is None:
                spoken = self.detect_language([sound[clip.start : clip.end] for clip in for_language(window.clips)])
            segments += self._transcribe_window(window.offset, sound, window.clips, spoken)
        return transcript_of_segments(segments, spoken)

    def known_language(self, code: str | None) -> Language | None:
        """The language of a recording, or None if it has to be detected.

        Args:
            code: the code of the language, or None.

        Raises:
            ConfigurationError: Whisper does not know the language.
        """
        if not self._model.model.is_multilingual:
            return Language("en", 1.0)
        if code is not None and code not in self._model.supported_languages:
            raise ConfigurationError(f"Whisper knows no language {code!r}; give its code, such as 'en' or 'zh'")
        return None if code is None else Language(code, 1.0)

    def transcribe_stretch(self, stretch: Stretch, sound: np.ndarray, language: Language) -> list[Segment]:
        """Transcribe a stretch of a recording: the segments that `transcribe` finds in it.

        Args:
            sound: its int16 samples, `stretch.sound` of the recording.
            language: of the recording.
        """
        return self._transcribe_window(stretch.offset, stretch.window(sound), stretch.clips, language)

    def detect_language(self, clips: list[np.ndarray]) -> Language:
        """The language that is spoken in clips, float32."""
        total: dict[str, float] = {}
        sure = set()
        for clip in clips:
            first, sureness, others = self._model.detect_language(clip)
            if sureness > _SURE_LANGUAGE:
                sure.add(first)
            for code, value in others:
                total[code] = total.get(code, 0.0) + value / len(clips)
        best = max(total, key=lambda code: total[code])
        return Language(best, total[best], len(sure) > 1)

    def _transcribe_window(
        self, offset: int, window: np.ndarray, clips: list[Clip], language: Language
    ) -> list[Segment]:
        """The segments of clips of a window that begins with the sample `offset`, in order of time."""
        found: list[Segment] = []
        while clips:
            batch, clips = clips[: self.batch_size], clips[self.batch_size :]
            try:
                answers = self._transcribe_batch(window, batch, language)
            except RuntimeError as error:
                self.batch_size = halved_batch_size(error, len(batch))
                clips = batch + clips
                continue
            for clip, answer, unfinished in zip(batch, answers, list(self._unfinished), strict=True):
                if any(segment.compression_ratio > _MAX_COMPRESSION for segment in answer) and (parts := clip.halves()):
                    clips += parts
                    continue
                if not answer or any(_doubtful(segment) for segment in answer):
                    answer, unfinished = self._retranscribe(window, clip, language), False
                last = max((segment.end for segment in answer), default=None)
                if last is not None and (rest := clip.after(last, _SHORTEST_WORD if unfinished else _MISSED_SPEECH)):
                    clips.append(rest)
                found += _segments(answer, clip)
        seconds = offset / SAMPLE_RATE
        return [
            Segment(
                round(seconds + segment.start, 2),
                round(seconds + segment.end, 2),
                segment.text,
                tuple((at, round(seconds + start, 2)) for at, start in segment.words),
            )
            for segment in sorted(found, key=lambda segment: segment.start)
        ]

    def _transcribe_batch(self, window: np.ndarray, batch: list[Clip], language: Language) -> list[list[Any]]:
        stretches = [{"start": clip.start / SAMPLE_RATE, "end": clip.end / SAMPLE_RATE} for clip in batch]
        found, _ = self._pipeline.transcribe(
            window,
            language=language.code,
            multilingual=language.mixed,
            clip_timestamps=stretches,
            without_timestamps=False,
            word_timestamps=True,
            batch_size=len(batch),
        )
        answers: list[list[Any]] = [[] for _ in batch]
        for segment in found:
            answers[_clip_index(batch, segment.seek)].append(segment)
        return answers

    def _retranscribe(self, window: np.ndarray, clip: Clip, language: Language) -> list[Any]:
        """Transcribe a clip alone, with rising temperatures. The seed makes it deterministic, which row ids rely on."""
        import ctranslate2

        ctranslate2.set_random_seed(0)
        found, _ = self._model.transcribe(
            window[clip.start : clip.end],
            language=language.code,
            multilingual=language.mixed,
            condition_on_previous_text=False,
        )
        answer = []
        for segment in found:
            segment.start += clip.start / SAMPLE_RATE
            segment.end += clip.start / SAMPLE_RATE
            answer.append(segment)
        return answer


def _recording_unfinished(
    generate: Callable[..., tuple[Any, list[dict[str, Any]]]], unfinished: list[bool]
) -> Callable[..., tuple[Any, list[dict[str, Any]]]]:
    """Wrap `generate` so that it also stores in `unfinished`, for each answer of a batch, whether it is unfinished.

    Whisper closes a complete answer with a single time stamp. An answer that ends with two time stamps, or with words
    after two, is unfinished: faster-whisper continues from there in a sequential transcription, but not in a batch.
    """

    def generate_and_record(features: Any, tokenizer: Any, options: Any) -> tuple[Any, list[dict[str, Any]]]:
        encoded, answers = generate(features, tokenizer, options)
        unfinished.clear()
        for answer in answers:
            stamps = [token >= tokenizer.timestamp_begin for token in answer["tokens"]]
            paired = any(first and second for first, second in pairwise(stamps))
            unfinished.append(paired and stamps[-2:] != [False, True])
        return encoded, answers

    return generate_and_record


def _clip_index(batch: list[Clip], seek: int) -> int:
    """The index of the clip of a segment, whose `seek` is the clip's start in hundredths of a second, rounded down."""
    return min(range(len(batch)), key=lambda index: abs(batch[index].start * 100 / SAMPLE_RATE - seek))


def _doubtful(segment: Any) -> bool:
    return bool(segment.compression_ratio > _MAX_COMPRESSION or segment.avg_logprob < _MIN_LOG_PROBABILITY)


def _invented(segment: Any) -> bool:
    """Whether nobody said a segment: it repeats itself, or both speech and certainty are low."""
    unsure = segment.avg_logprob < _MIN_LOG_PROBABILITY
    return segment.compression_ratio > _MAX_COMPRESSION or (unsure and segment.no_speech_prob > _NO_SPEECH)


def _segments(answer: list[Any], clip: Clip) -> Iterator[Segment]:
    """The spoken segments of an answer, in order and cut to the clip."""
    last = clip.start / SAMPLE_RATE
    for segment in answer:
        text = as_typed(segment.text)
        if not _invented(segment) and not _NOT_SPEECH.match(text):
            end = min(segment.end, clip.end / SAMPLE_RATE)
            start = min(max(segment.start, last), end)
            last = end
            yield Segment(start, end, text, starts_of(segment.words, start, end))
