"""Decodes a stretch of a film, and keeps what is likely to be needed of its frames: see `film_stretches`."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
from av.video.stream import VideoStream

from ingest.media.container import StreamDamage
from ingest.media.film_stretches import read_packets, stretch_gops
from ingest.media.gops import GopFacts
from ingest.media.keyframes import STEP, KeyFrame
from ingest.media.opening import open_media
from ingest.media.sampling import Choice, FrameSampler, Sampling, SeenFrame
from ingest.media.video import GopDecoder

_MOST_GUESSES = 8
"""Frames of which each may be the first one of a stretch that is examined: two or three at 25 frames per second."""


@dataclass(slots=True)
class ReadFrame:
    """A frame that a reader has decoded, with what it has kept of it: see `SeenFrame`."""

    time: float
    corrupt: bool
    thumbnail: np.ndarray | None = None
    picture: np.ndarray | None = None


@dataclass(slots=True)
class ReadGop:
    """A GOP that a reader has read.

    Attributes:
        facts: of it.
        whole: whether all of it was decoded, or only its key packet; None if nothing was.
        frames: in the order in which the decoder returned them.
        damage: what could not be decoded.
    """

    facts: GopFacts
    whole: bool | None = None
    frames: list[ReadFrame] = field(default_factory=list)
    damage: StreamDamage = field(default_factory=StreamDamage)


def read_stretch(path: str, index: int, stretch: str, sampling: Sampling, interval: float) -> None:
    """Decode a stretch of a film, and write the frames that are likely to be needed into a file: see `read_file`.

    Args:
        path: the film; its header is read.
        index: of its stream.
        stretch: the file with the packets of the stretch.
        sampling, interval: how key frames are chosen, and the minimum interval between them now.

    Raises:
        ObjectError: as in `open_media`.
        OSError: there is no space.
    """
    found: list[ReadGop] = []
    guesses = _Guesses(sampling, interval)
    with open_media(path) as container:
        stream = cast(VideoStream, container.streams[index])
        decoder = GopDecoder(stream)
        for facts, packets in stretch_gops(Path(stretch)):
            gop, choice = ReadGop(facts), guesses.choose(facts)
            found.append(gop)
            if choice is None:
                continue
            gop.whole = choice.whole
            chosen = read_packets(packets if choice.whole else packets[:1], stream)
            for frame in decoder.frames(chosen, facts.goes_on, sampling.size, gop.damage):
                seen, keeping = _keeping(frame)
                gop.frames.append(seen)
                guesses.add(keeping, choice)
        guesses.finish()
    with read_file(stretch).open("wb") as file:
        pickle.dump(found, file, pickle.HIGHEST_PROTOCOL)


def read_file(stretch: str) -> Path:
    """The file with a pickled list of `ReadGop`, one for each GOP of a stretch."""
    return Path(f"{stretch}.read")


class _Guesses:
    """Guesses which frames of a stretch will be looked at.

    Which of its first frames is the first one that is examined depends on those before the stretch, and all others
    depend on that one. So each of them is tried, until a GOP comes of which the key packet alone is decoded, which is
    examined in any case.
    """

    def __init__(self, sampling: Sampling, interval: float) -> None:
        self._sampling, self._interval = sampling, interval
        self._samplers = [self._sampler()]
        self._first: float | None = None
        self._certain = False

    def choose(self, gop: GopFacts) -> Choice | None:
        """See `FrameSampler.choose`."""
        return self._samplers[0].choose(gop)

    def add(self, frame: SeenFrame, choice: Choice) -> None:
        """Ask the next frame for all that may be asked of it."""
        if frame.corrupt:
            return
        if not self._certain:
            frame.thumbnail()
            if self._first is None:
                self._first = frame.time
            elif abs(frame.time - self._first) < STEP and len(self._samplers) < _MOST_GUESSES:
                self._samplers.append(self._sampler())
        for sampler in self._samplers:
            _ask_for_pictures(sampler.add(frame, choice))
        if not choice.whole and not self._certain:
            self._certain, self._samplers = True, self._samplers[:1]

    def finish(self) -> None:
        """Ask for what the end of the stretch needs."""
        for sampler in self._samplers:
            _ask_for_pictures(sampler.finish())

    def _sampler(self) -> FrameSampler:
        sampler = FrameSampler(self._sampling)
        sampler.settled, sampler.interval = True, self._interval
        return sampler


def _ask_for_pictures(found: Iterator[KeyFrame]) -> None:
    for frame in found:
        frame.picture()


def _keeping(frame: SeenFrame) -> tuple[ReadFrame, SeenFrame]:
    """A frame that keeps what it is asked for."""
    kept = ReadFrame(frame.time, frame.corrupt)

    def thumbnail() -> np.ndarray:
        if kept.thumbnail is None:
            kept.thumbnail = frame.thumbnail()
        return kept.thumbnail

    def picture() -> np.ndarray:
        if kept.picture is None:
            kept.picture = frame.picture()
        return kept.picture

    return kept, SeenFrame(frame.time, frame.corrupt, frame.changes, thumbnail, picture, frame.facts)
