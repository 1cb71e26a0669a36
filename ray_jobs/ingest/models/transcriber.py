"""Transcribe speech with faster-whisper: recordings of any length in bounded memory, true times, no invented text.

A recording is read in windows of a few minutes that end in silence. The speech of a window is joined into clips of at
most half a minute. A clip is a continuous stretch of the recording, pauses included, so that Whisper's times within a
clip are times of the recording. Clips are transcribed in batches.

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
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.errors import ConfigurationError
from ingest.common.loudness import gain, scaled
from ingest.common.speech import SAMPLE_RATE, Segment
from ingest.common.text import as_typed
from ingest.models.gpu_memory import halved_batch_size
from ingest.models.speech_detection import speech_in

if TYPE_CHECKING:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

_WINDOW = 600 * SAMPLE_RATE
"""Samples: ten minutes, 38 MB as float32."""

_MAX_CLIP = 28 * SAMPLE_RATE
"""Samples of the longest clip. Whisper reads 30 s; in the silence after the clip it closes its last sentence with a
time stamp."""

_MAX_PAUSE = 3 * SAMPLE_RATE
"""Samples of the longest pause in a clip: Whisper fills longer ones with words that nobody said."""

_MISSED_SPEECH = 1.5
"""Seconds of speech after the last segment that show that a part is missing; padding accounts for most of a second."""

_SHORTEST_WORD = 0.2
"""Seconds that a short word takes."""

_MAX_COMPRESSION = 2.4
_MIN_LOG_PROBABILITY = -1.0
_NO_SPEECH = 0.6
"""Thresholds of the original (Radford et al. 2022, section 4.5)."""

_MIN_HALVED = 2 * SAMPLE_RATE
"""Samples of a clip from which it may be halved."""

_LANGUAGE_CLIPS = 4
"""Clips of a window whose language is detected."""

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


@dataclass(frozen=True, slots=True)
class _Clip:
    """A stretch of a window: the first and last sample of each part with speech, in order."""

    speech: list[tuple[int, int]]

    @property
    def start(self) -> int:
        return self.speech[0][0]

    @property
    def end(self) -> int:
        return self.speech[-1][1]

    def halves(self) -> list[_Clip]:
        """Two parts with about as much speech, divided in a pause; none if the clip is a single phrase."""
        if len(self.speech) < 2 or self.end - self.start < _MIN_HALVED:
            return []
        middle = sum(end - start for start, end in self.speech) / 2
        before = [0, *accumulate(end - start for start, end in self.speech)]
        cut = min(range(1, len(self.speech)), key=lambda count: abs(before[count] - middle))
        return [_Clip(self.speech[:cut]), _Clip(self.speech[cut:])]

    def after(self, seconds: float, least: float) -> _Clip | None:
        """The speech after a time, or None if it is not longer than `least` seconds."""
        first = round(seconds * SAMPLE_RATE)
        speech = [(max(start, first), end) for start, end in self.speech if end > first]
        length = sum(end - start for start, end in speech)
        return _Clip(speech) if length > least * SAMPLE_RATE and length < self.end - self.start else None


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
        multilingual = self._model.model.is_multilingual
        if not multilingual:
            language = "en"
        elif language is not None and language not in self._model.supported_languages:
            raise ConfigurationError(f"Whisper knows no language {language!r}; give its code, such as 'en' or 'zh'")
        probability, mixed = 1.0, False
        segments: list[Segment] = []
        for offset, window, clips in _windows(samples):
            if language is None:
                language, probability, mixed = self._detect_language(window, clips)
            for segment in self._transcribe_window(window, clips, language, mixed):
                start, end = offset / SAMPLE_RATE + segment.start, offset / SAMPLE_RATE + segment.end
                segments.append(Segment(round(start, 2), round(end, 2), segment.text))
        return Transcript(segments, language, probability) if segments else Transcript([], None, 0.0)

    def _detect_language(self, window: np.ndarray, clips: list[_Clip]) -> tuple[str, float, bool]:
        """The language of a window, its probability, and whether the window holds several languages."""
        spread = np.linspace(0, len(clips) - 1, min(len(clips), _LANGUAGE_CLIPS)).round().astype(int)
        total: dict[str, float] = {}
        sure = set()
        for index in spread:
            clip = clips[index]
            first, sureness, others = self._model.detect_language(window[clip.start : clip.end])
            if sureness > _SURE_LANGUAGE:
                sure.add(first)
            for code, value in others:
                total[code] = total.get(code, 0.0) + value / len(spread)
        best = max(total, key=lambda code: total[code])
        return best, total[best], len(sure) > 1

    def _transcribe_window(self, window: np.ndarray, clips: list[_Clip], language: str, mixed: bool) -> list[Segment]:
        found: list[Segment] = []
        while clips:
            batch, clips = clips[: self.batch_size], clips[self.batch_size :]
            try:
                answers = self._transcribe_batch(window, batch, language, mixed)
            except RuntimeError as error:
                self.batch_size = halved_batch_size(error, len(batch))
                clips = batch + clips
                continue
            for clip, answer, unfinished in zip(batch, answers, list(self._unfinished), strict=True):
                if any(segment.compression_ratio > _MAX_COMPRESSION for segment in answer) and (parts := clip.halves()):
                    clips += parts
                    continue
                if not answer or any(_doubtful(segment) for segment in answer):
                    answer, unfinished = self._retranscribe(window, clip, language, mixed), False
                last = max((segment.end for segment in answer), default=None)
                if last is not None and (rest := clip.after(last, _SHORTEST_WORD if unfinished else _MISSED_SPEECH)):
                    clips.append(rest)
                found += _segments(answer, clip)
        return sorted(found, key=lambda segment: segment.start)

    def _transcribe_batch(self, window: np.ndarray, batch: list[_Clip], language: str, mixed: bool) -> list[list[Any]]:
        stretches = [{"start": clip.start / SAMPLE_RATE, "end": clip.end / SAMPLE_RATE} for clip in batch]
        found, _ = self._pipeline.transcribe(
            window,
            language=language,
            multilingual=mixed,
            clip_timestamps=stretches,
            without_timestamps=False,
            batch_size=len(batch),
        )
        answers: list[list[Any]] = [[] for _ in batch]
        for segment in found:
            answers[_clip_index(batch, segment.seek)].append(segment)
        return answers

    def _retranscribe(self, window: np.ndarray, clip: _Clip, language: str, mixed: bool) -> list[Any]:
        """Transcribe a clip alone, with rising temperatures. The seed makes it deterministic, which row ids rely on."""
        import ctranslate2

        ctranslate2.set_random_seed(0)
        found, _ = self._model.transcribe(
            window[clip.start : clip.end], language=language, multilingual=mixed, condition_on_previous_text=False
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


def _clip_index(batch: list[_Clip], seek: int) -> int:
    """The index of the clip of a segment, whose `seek` is the clip's start in hundredths of a second, rounded down."""
    return min(range(len(batch)), key=lambda index: abs(batch[index].start * 100 / SAMPLE_RATE - seek))


def _doubtful(segment: Any) -> bool:
    return bool(segment.compression_ratio > _MAX_COMPRESSION or segment.avg_logprob < _MIN_LOG_PROBABILITY)


def _invented(segment: Any) -> bool:
    """Whether nobody said a segment: it repeats itself, or both speech and certainty are low."""
    unsure = segment.avg_logprob < _MIN_LOG_PROBABILITY
    return segment.compression_ratio > _MAX_COMPRESSION or (unsure and segment.no_speech_prob > _NO_SPEECH)


def _segments(answer: list[Any], clip: _Clip) -> Iterator[Segment]:
    """The spoken segments of an answer, in order and cut to the clip."""
    last = clip.start / SAMPLE_RATE
    for segment in answer:
        text = as_typed(segment.text)
        if not _invented(segment) and not _NOT_SPEECH.match(text):
            end = min(segment.end, clip.end / SAMPLE_RATE)
            start = min(max(segment.start, last), end)
            last = end
            yield Segment(start, end, text)


def _windows(samples: np.ndarray) -> Iterator[tuple[int, np.ndarray, list[_Clip]]]:
    """Windows of a recording with speech: offset in samples, float32 samples, and clips in samples of the window."""
    offset, factor = 0, gain(samples)
    while offset < len(samples):
        window = scaled(samples[offset : offset + _WINDOW], factor)
        speech = speech_in(window, _MAX_CLIP)
        following = offset + len(window)
        if following < len(samples) and speech and speech[-1][1] > len(window) - SAMPLE_RATE and speech[-1][0] > 0:
            following = offset + speech.pop()[0]  # speech at the end of a window begins the next one
        if speech:
            yield offset, window, list(_clips(speech))
        offset = following


def _clips(speech: list[tuple[int, int]]) -> Iterator[_Clip]:
    parts = speech[:1]
    for start, end in speech[1:]:
        if end - parts[0][0] > _MAX_CLIP or start - parts[-1][1] > _MAX_PAUSE:
            yield _Clip(parts)
            parts = []
        parts.append((start, end))
    yield _Clip(parts)
