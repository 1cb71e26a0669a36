"""When the words of a segment are spoken, as the attention of Whisper to the sound shows (faster-whisper's alignment).

faster-whisper's own `word_timestamps` moves the times of segments as well, and the first word of a clip by the clips
before it in the batch. Here segments keep their times, on which it depends which speech is transcribed again and where
passages end, and a word has the same time in whatever batch it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING, Any

from ingest.common.text import as_typed

if TYPE_CHECKING:
    from faster_whisper import WhisperModel


SLOW = 1.25
"""Ratio to the usual time per letter up to which a word takes more time than words usually take.

With it, the first words of 19 clips of LJSpeech that were joined with short pauses begin 0.16 s from the truth on
average, 0.18 s without it, and 0.30 s if the time of a segment is divided in proportion to its text.
"""


def keep_segment_times(model: WhisperModel) -> None:
    """Let `word_timestamps` give segments their words and leave all else as it is."""

    def add(segments: list[list[dict[str, Any]]], tokenizer: Any, encoded: Any, frames: list[int], *_: Any) -> float:
        tokens = [
            [[token for token in segment["tokens"] if token < tokenizer.eot] for segment in answer]
            for answer in segments
        ]
        aligned = model.find_alignment(tokenizer, [list(chain(*answer)) for answer in tokens], encoded, frames)
        for answer, of_answer, words in zip(segments, tokens, aligned, strict=True):
            _take_off_pauses(words)
            offset, following = answer[0]["seek"] / model.frames_per_second, iter(words)
            for segment, of_segment in zip(answer, of_answer, strict=True):
                segment["words"], missing = [], len(of_segment)
                while missing > 0 and (word := next(following, None)) is not None:
                    missing -= len(word["tokens"])
                    times = {name: offset + float(word[name]) for name in ("start", "end")}
                    segment["words"].append({"word": word["word"], "probability": word["probability"], **times})
        return 0.0

    model.add_word_timestamps = add


def _take_off_pauses(words: list[dict[str, Any]]) -> None:
    """Let words begin behind the pause before them, which the attention gives to them: none is long for its letters."""
    spans = [(word["end"] - word["start"], len(word["word"].strip())) for word in words]
    spans = [(seconds, letters) for seconds, letters in spans if seconds > 0 and letters]
    if not spans:
        return
    usual = median(seconds for seconds, _ in spans)
    of_letter = SLOW * median(seconds / letters for seconds, letters in spans)
    for word in words:
        text = word["word"].strip()
        if not any(letter.isdigit() for letter in text):  # "1984" is three words
            word["start"] = max(word["start"], word["end"] - max(usual, of_letter * len(text)))


def starts_of(words: Sequence[Any] | None, start: float, end: float) -> tuple[tuple[int, float], ...]:
    """The offset in its segment's text, as typed, and the start of each word but the first, which begins the segment.

    Args:
        words: faster-whisper's words of the segment.
        start, end: that of the segment; no word is outside.
    """
    found: list[tuple[int, float]] = []
    text, last = "", start
    for word in words or ():
        at = len(as_typed(f"{text}{word.word[: len(word.word) - len(word.word.lstrip())]}x")) - 1
        last = min(max(word.start, last), end)
        if at > (found[-1][0] if found else 0):
            found.append((at, last))
        text += word.word
    return tuple(found)
