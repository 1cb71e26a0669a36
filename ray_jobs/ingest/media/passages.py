"""Merges speech segments into passages that make sense on their own and end, if possible, with a sentence or a pause.

A segment of Whisper is often part of a sentence. Segments are joined up to the limits. A passage that would exceed them
is cut at the best place in its second half: at the end of a sentence before a pause, at the end of a sentence, at a
pause, or else as late as possible. A single segment above the limits is first cut between words. Its time is divided in
proportion to the length of the parts, so that the texts do not depend on the times of words, where these are known; but
a passage that begins or ends at such a cut does so when the word is spoken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ingest.common.speech import Segment
from ingest.common.text import CJK

_PAUSE = 1.0
"""Seconds of silence that separate two thoughts."""
_SENTENCE_END = re.compile(r"[.!?…。！？｡؟۔।]['\"”’»)\]」』]*$")
_WORD = re.compile(rf"[{CJK}]|[^\s{CJK}]+")
_CJK_END, _CJK_BEGIN = re.compile(rf"[{CJK}]$"), re.compile(rf"^[{CJK}]")


TOLERANCE = 0.25
"""Seconds by which the times of words may differ from what follows from those that are kept."""

MAX_WORDS = 300
"""Most words of a passage whose times are kept."""

Mark = tuple[int, float]
"""An offset in a text in characters, and a time in seconds."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of speech from `start` to `end`, in seconds.

    Attributes:
        marks: for each segment, its offset in the text in characters and its start in seconds.
        words: the same for words, without those that are spoken within TOLERANCE of the time that lies in proportion
            between the others: the times of all words follow from `marks`, `words` and `end`.
    """

    start: float
    end: float
    text: str
    marks: tuple[Mark, ...]
    words: tuple[Mark, ...] = ()


def merge_segments(
    segments: Iterable[Segment], count: Callable[[str], int], limit: int, max_seconds: float = 60.0
) -> Iterator[Passage]:
    """Join segments into passages. Every word is in exactly one passage.

    Args:
        segments: segments in order; those without text are ignored.
        count: returns the length of a text, in tokens or characters (`len`).
        limit: maximum length of a passage by that count. Only a single word may exceed it.
        max_seconds: maximum duration of a passage. Only a single word may exceed it.
    """

    def fits(parts: list[Segment]) -> bool:
        return parts[-1].end - parts[0].start <= max_seconds and count(_text(parts)) <= limit

    waiting: list[Segment] = []
    for segment in segments:
        for piece in _pieces(segment, fits) if segment.text.strip() else ():
            while waiting and not fits([*waiting, piece]):
                cut = _best_cut(waiting, piece)
                yield _passage(waiting[:cut], [*waiting[cut:], piece][0])
                waiting = waiting[cut:]
            waiting.append(piece)
    if waiting:
        yield _passage(waiting)


def _passage(parts: list[Segment], following: Segment | None = None) -> Passage:
    lengths = [len(_text(parts[:count])) - len(part.text.strip()) for count, part in enumerate(parts, start=1)]
    marks = [(at, _start(part)) for at, part in zip(lengths, parts, strict=True)]
    end = _start(following) if following is not None and _is_cut(following) else parts[-1].end
    text = _text(parts)
    spoken = [
        [(at, start), *((at + offset, word) for offset, word in part.words if offset)]
        for (at, start), part in zip(marks, parts, strict=True)
    ]
    ends = [*marks[1:], (len(text), end)]
    tolerance, words = TOLERANCE, [*_needed(spoken, ends, TOLERANCE)]
    while len(words) > MAX_WORDS:
        tolerance *= 2
        words = [*_needed(spoken, ends, tolerance)]
    return Passage(marks[0][1], end, text, tuple(marks), tuple(words))


def _is_cut(part: Segment) -> bool:
    """Whether a segment was cut before this part of it, whose first word has a time."""
    return bool(part.words) and part.words[0][0] == 0


def _start(part: Segment) -> float:
    return part.words[0][1] if _is_cut(part) else part.start


def _needed(spoken: Sequence[Sequence[Mark]], ends: Sequence[Mark], tolerance: float) -> Iterator[Mark]:
    """Yield the words of each part whose times do not follow from those of others (Douglas and Peucker 1973)."""
    for words, end in zip(spoken, ends, strict=True):
        yield from _between([*words, end], tolerance)


def _between(marks: Sequence[Mark], tolerance: float) -> Iterator[Mark]:
    """Yield what is needed of the marks between the first and the last one."""
    (first, start), (last, end) = marks[0], marks[-1]
    inner = [abs(time - start - (end - start) * (at - first) / max(last - first, 1)) for at, time in marks[1:-1]]
    if inner and max(inner) > tolerance:
        place = inner.index(max(inner)) + 1
        yield from _between(marks[: place + 1], tolerance)
        yield marks[place]
        yield from _between(marks[place:], tolerance)


def _text(parts: list[Segment]) -> str:
    """Join the texts of segments, with a space unless both sides are in a script without spaces."""
    text = ""
    for part in parts:
        following = part.text.strip()
        close = not text or (_CJK_END.search(text) and _CJK_BEGIN.search(following))
        text += following if close else f" {following}"
    return text


def _best_cut(waiting: list[Segment], piece: Segment) -> int:
    """Return how many of the waiting segments become the next passage when `piece` no longer fits."""
    total = sum(len(segment.text) for segment in waiting)
    best, best_rank, length = len(waiting), -1, 0
    for index, (segment, following) in enumerate(zip(waiting, [*waiting[1:], piece], strict=True), start=1):
        length += len(segment.text)
        if 2 * length < total:
            continue
        sentence = _SENTENCE_END.search(segment.text.strip()) is not None
        rank = 2 * sentence + (following.start - segment.end >= _PAUSE)
        if rank >= best_rank:
            best, best_rank = index, rank
    return best


def _pieces(segment: Segment, fits: Callable[[list[Segment]], bool]) -> Iterator[Segment]:
    """Halve a segment between words until its parts fit."""
    words = list(_WORD.finditer(segment.text))
    if fits([segment]) or len(words) < 2:
        yield segment
        return
    middle = len(segment.text) / 2
    cut = min((word.start() for word in words[1:]), key=lambda position: abs(position - middle))
    time = segment.start + (segment.end - segment.start) * cut / len(segment.text)
    before = tuple((at, start) for at, start in segment.words if at < cut)
    behind = tuple((at - cut, start) for at, start in segment.words if at >= cut)
    yield from _pieces(Segment(segment.start, time, segment.text[:cut].strip(), before), fits)
    yield from _pieces(Segment(time, segment.end, segment.text[cut:].strip(), behind), fits)
