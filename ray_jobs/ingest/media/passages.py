"""Spoken segments to passages that make sense alone: as long as the limits allow, ended at sentence ends and pauses.

A segment of Whisper is often part of a sentence. Segments are joined as long as they fit; what does not is cut in its
second half at the best place: a sentence's end before a pause, a sentence's end, a pause, or else as late as possible.
A segment that is over the limits by itself is first cut between words, and its time is shared out by their length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ingest.common.speech import Segment
from ingest.common.text import CJK

_PAUSE = 1.0
"""Seconds of silence that part two thoughts."""
_SENTENCE_END = re.compile(r"[.!?…。！？｡؟۔।]['\"”’»)\]」』]*$")
_WORD = re.compile(rf"[{CJK}]|[^\s{CJK}]+")
_CJK_END, _CJK_BEGIN = re.compile(rf"[{CJK}]$"), re.compile(rf"^[{CJK}]")


@dataclass(frozen=True, slots=True)
class Passage:
    """What is said from `start` to `end`, in seconds.

    Attributes:
        marks: where in the text each segment begins, in characters, and when, in seconds.
    """

    start: float
    end: float
    text: str
    marks: tuple[tuple[int, float], ...]


def merge(
    segments: Iterable[Segment], count: Callable[[str], int], limit: int, max_seconds: float = 60.0
) -> Iterator[Passage]:
    """Join segments, in order, into passages; every word is in exactly one.

    Args:
        segments: in order; those without text are left out.
        count: the length of a text, in tokens or characters (`len`).
        limit: the longest text of a passage, as counted. Only a single word may be over it.
        max_seconds: longest time from a passage's start to its end. Only a single word may be over it.
    """

    def fits(parts: list[Segment]) -> bool:
        return parts[-1].end - parts[0].start <= max_seconds and count(_text(parts)) <= limit

    waiting: list[Segment] = []
    for segment in segments:
        for piece in _pieces(segment, fits) if segment.text.strip() else ():
            while waiting and not fits([*waiting, piece]):
                cut = _best_cut(waiting, piece)
                yield _passage(waiting[:cut])
                waiting = waiting[cut:]
            waiting.append(piece)
    if waiting:
        yield _passage(waiting)


def _passage(parts: list[Segment]) -> Passage:
    lengths = [len(_text(parts[:count])) - len(part.text.strip()) for count, part in enumerate(parts, start=1)]
    marks = tuple((at, part.start) for at, part in zip(lengths, parts, strict=True))
    return Passage(parts[0].start, parts[-1].end, _text(parts), marks)


def _text(parts: list[Segment]) -> str:
    """The parts' texts, with spaces between them unless both sides are written without."""
    text = ""
    for part in parts:
        following = part.text.strip()
        close = not text or (_CJK_END.search(text) and _CJK_BEGIN.search(following))
        text += following if close else f" {following}"
    return text


def _best_cut(waiting: list[Segment], piece: Segment) -> int:
    """How many of the waiting segments make the next passage, where `piece` does not fit to them."""
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
    """A segment, halved between words until its parts fit."""
    words = list(_WORD.finditer(segment.text))
    if fits([segment]) or len(words) < 2:
        yield segment
        return
    middle = len(segment.text) / 2
    cut = min((word.start() for word in words[1:]), key=lambda position: abs(position - middle))
    time = segment.start + (segment.end - segment.start) * cut / len(segment.text)
    yield from _pieces(Segment(segment.start, time, segment.text[:cut].strip()), fits)
    yield from _pieces(Segment(time, segment.end, segment.text[cut:].strip()), fits)
