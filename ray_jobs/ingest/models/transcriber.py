"""Speech to text with faster-whisper: long recordings in bounded memory, true times, nothing invented.

A recording is read in windows of a few minutes that end in silence. Voice activity detection (Silero VAD, which
faster-whisper carries) finds the speech in a window, and speech is gathered into clips of at most half a minute that
are whole stretches of the recording, pauses included, so that the times that Whisper gives within a clip are times of
the recording. Clips are transcribed in batches.

A batch is decoded once, greedily trusting the model. Where its answer looks wrong, the clip is transcribed again alone,
with the fallbacks of the original (Radford et al. 2022, section 4.5), for repeated text or a low probability. Where it
ends before the speech does, the rest becomes a clip of its own: a batch leaves unfinished answers as they are, and
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
from ingest.common.speech import SAMPLE_RATE, Segment
from ingest.models.gpu_memory import smaller

if TYPE_CHECKING:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

_WINDOW = 600 * SAMPLE_RATE
"""Samples: ten minutes, 38 MB as float32."""
_CLIP = 28 * SAMPLE_RATE
"""Whisper reads 30 s; the rest is silence behind which it closes its last sentence with a time stamp."""
_GAP = 3 * SAMPLE_RATE
"""A longer silence ends a clip: Whisper fills long ones with words that nobody said."""
_TAIL = 1.5
"""Seconds of speech after the last segment that say that a part is missing; its padding is most of a second."""

_WORD = 0.2
"""Seconds that a word takes."""

_COMPRESSION = 2.4
_LOG_PROBABILITY = -1.0
_NO_SPEECH = 0.6
"""Thresholds of the original (Radford et al. 2022, section 4.5)."""

_LANGUAGE_CLIPS = 4
"""Clips that are asked for their language."""
_SURE = 0.8
"""Probability from which a clip in another language counts as one."""

_NO_WORD = re.compile(r"^\W*$|^\s*[\[(♪*][^\])♪*]*[\])♪*]\s*$")
"""Text that is no speech: dots, notes, `[Music]`."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """All that is said.

    Attributes:
        segments: in order.
        language: its code, such as `en`; None where nobody speaks.
        probability: how sure that is.
    """

    segments: list[Segment]
    language: str | None
    probability: float


@dataclass(frozen=True, slots=True)
class _Clip:
    """A stretch of a window with the speech in it: first and last sample of each part, in order."""

    speech: list[tuple[int, int]]

    @property
    def start(self) -> int:
        return self.speech[0][0]

    @property
    def end(self) -> int:
        return self.speech[-1][1]

    def after(self, seconds: float, least: float) -> _Clip | None:
        """The speech after a time, if it is longer than `least` seconds."""
        first = round(seconds * SAMPLE_RATE)
        speech = [(max(start, first), end) for start, end in self.speech if end > first]
        length = sum(end - start for start, end in speech)
        return _Clip(speech) if length > least * SAMPLE_RATE and length < self.end - self.start else None


class Transcriber:
    """A loaded Whisper model.

    Args:
        name: as `SpeechModel.name`.
        threads: CPU threads it may use.
        device: `cuda`, `cpu`, or None for a GPU where there is one.
        batch_size: clips at once; halved for good where a GPU's memory does not hold them.
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
            # CTranslate2 loads CUDA's libraries with its first batch; a node that lacks one must not fail every file.
            self._model.detect_language(np.zeros(SAMPLE_RATE, np.float32))
        self._pipeline: BatchedInferencePipeline = BatchedInferencePipeline(self._model)
        self._unfinished: list[bool] = []
        generate = self._pipeline.generate_segment_batched
        self._pipeline.generate_segment_batched = _noting(generate, self._unfinished)
        self.batch_size = batch_size

    def transcribe(self, pcm: memoryview | np.ndarray, language: str | None = None) -> Transcript:
        """Write down what is said.

        Args:
            pcm: 16 kHz mono, int16; an array or a memoryview of one, mapped from a file for instance.
            language: its code where it is known; else it is detected. An English model reads all as English.

        Raises:
            ConfigurationError: Whisper knows no such language.
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
                language, probability, mixed = self._language(window, clips)
            for segment in self._window(window, clips, language, mixed):
                start, end = offset / SAMPLE_RATE + segment.start, offset / SAMPLE_RATE + segment.end
                segments.append(Segment(round(start, 2), round(end, 2), segment.text))
        return Transcript(segments, language, probability) if segments else Transcript([], None, 0.0)

    def _language(self, window: np.ndarray, clips: list[_Clip]) -> tuple[str, float, bool]:
        """The language of a window, its probability, and whether it holds several."""
        spread = np.linspace(0, len(clips) - 1, min(len(clips), _LANGUAGE_CLIPS)).round().astype(int)
        total: dict[str, float] = {}
        sure = set()
        for index in spread:
            clip = clips[index]
            first, sureness, others = self._model.detect_language(window[clip.start : clip.end])
            if sureness > _SURE:
                sure.add(first)
            for code, value in others:
                total[code] = total.get(code, 0.0) + value / len(spread)
        best = max(total, key=lambda code: total[code])
        return best, total[best], len(sure) > 1

    def _window(self, window: np.ndarray, clips: list[_Clip], language: str, mixed: bool) -> list[Segment]:
        found: list[Segment] = []
        while clips:
            batch, clips = clips[: self.batch_size], clips[self.batch_size :]
            try:
                answers = self._batch(window, batch, language, mixed)
            except RuntimeError as error:
                self.batch_size = smaller(error, len(batch))
                clips = batch + clips
                continue
            for clip, answer, unfinished in zip(batch, answers, list(self._unfinished), strict=True):
                if not answer or any(_doubtful(segment) for segment in answer):
                    answer, unfinished = self._again(window, clip, language, mixed), False
                last = max((segment.end for segment in answer), default=None)
                if last is not None and (rest := clip.after(last, _WORD if unfinished else _TAIL)):
                    clips.append(rest)
                found += _segments(answer, clip)
        return sorted(found, key=lambda segment: segment.start)

    def _batch(self, window: np.ndarray, batch: list[_Clip], language: str, mixed: bool) -> list[list[Any]]:
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
            answers[_index(batch, segment.seek)].append(segment)
        return answers

    def _again(self, window: np.ndarray, clip: _Clip, language: str, mixed: bool) -> list[Any]:
        """A clip alone, with rising temperatures. The same every time: ids of rows count on it."""
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


def _noting(
    generate: Callable[..., tuple[Any, list[dict[str, Any]]]], unfinished: list[bool]
) -> Callable[..., tuple[Any, list[dict[str, Any]]]]:
    """Note of each answer of a batch whether it is unfinished.

    Whisper closes its answer with a single time stamp. After two, or words behind the last two, there is more to say:
    faster-whisper reads on from there when it reads a recording in sequence, and not in a batch.
    """

    def generate_and_note(features: Any, tokenizer: Any, options: Any) -> tuple[Any, list[dict[str, Any]]]:
        encoded, answers = generate(features, tokenizer, options)
        unfinished.clear()
        for answer in answers:
            stamps = [token >= tokenizer.timestamp_begin for token in answer["tokens"]]
            paired = any(first and second for first, second in pairwise(stamps))
            unfinished.append(paired and stamps[-2:] != [False, True])
        return encoded, answers

    return generate_and_note


def _index(batch: list[_Clip], seek: int) -> int:
    """Which clip a segment belongs to: faster-whisper gives its start in hundredths of a second, rounded down."""
    return min(range(len(batch)), key=lambda index: abs(batch[index].start * 100 / SAMPLE_RATE - seek))


def _doubtful(segment: Any) -> bool:
    return bool(segment.compression_ratio > _COMPRESSION or segment.avg_logprob < _LOG_PROBABILITY)


def _invented(segment: Any) -> bool:
    """Whether a segment is the model's own: it repeats itself, or there is hardly speech and hardly certainty."""
    unsure = segment.avg_logprob < _LOG_PROBABILITY
    return segment.compression_ratio > _COMPRESSION or (unsure and segment.no_speech_prob > _NO_SPEECH)


def _segments(answer: list[Any], clip: _Clip) -> Iterator[Segment]:
    """What is worth keeping of an answer, in order and within the clip."""
    last = clip.start / SAMPLE_RATE
    for segment in answer:
        text = " ".join(segment.text.split())
        if not _invented(segment) and not _NO_WORD.match(text):
            end = min(segment.end, clip.end / SAMPLE_RATE)
            start = min(max(segment.start, last), end)
            last = end
            yield Segment(start, end, text)


def _windows(samples: np.ndarray) -> Iterator[tuple[int, np.ndarray, list[_Clip]]]:
    """The parts of a recording with speech: offset in samples, float32 samples, clips by samples of the part."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    # As BatchedInferencePipeline sets them.
    options = VadOptions(max_speech_duration_s=_CLIP / SAMPLE_RATE, min_silence_duration_ms=160)
    offset = 0
    while offset < len(samples):
        window = samples[offset : offset + _WINDOW].astype(np.float32) / 32768.0
        speech = [(part["start"], part["end"]) for part in get_speech_timestamps(window, options)]
        following = offset + len(window)
        if following < len(samples) and speech and speech[-1][1] > len(window) - SAMPLE_RATE and speech[-1][0] > 0:
            following = offset + speech.pop()[0]  # somebody is speaking: the next window begins with it
        if speech:
            yield offset, window, list(_clips(speech))
        offset = following


def _clips(speech: list[tuple[int, int]]) -> Iterator[_Clip]:
    parts = speech[:1]
    for start, end in speech[1:]:
        if end - parts[0][0] > _CLIP or start - parts[-1][1] > _GAP:
            yield _Clip(parts)
            parts = []
        parts.append((start, end))
    yield _Clip(parts)
