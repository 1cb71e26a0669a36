"""Chooses the key frames among the decoded frames of a stream, of which a few per second are examined.

The frames may have been decoded by other processes before: nothing here decodes, and a thumbnail or a picture is asked
for when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from ingest.media.gops import MAX_GOP_SECONDS, GopFacts
from ingest.media.keyframes import STEP, Kept, KeyFrame, SceneDetector

_REORDERED = 0.5
"""Seconds by which a frame may precede the one before it; if by more, the time of that one is wrong."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How key frames are chosen; see `SceneDetector`. `size` is the side length of a key frame in pixels."""

    size: int
    threshold: float
    min_interval: float
    max_interval: float
    max_frames: int
    max_seconds: float


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """A decoded frame.

    Attributes:
        time: in seconds.
        corrupt: whether the decoder says so.
        changes: whether it consists of changes to others.
        thumbnail: returns it as `SceneDetector.add_frame` takes it.
        picture: returns it as the square of a key frame.
        facts: returns what is known of the film from it.
    """

    time: float
    corrupt: bool
    changes: bool
    thumbnail: Callable[[], np.ndarray]
    picture: Callable[[], np.ndarray]
    facts: Callable[[], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Choice:
    """How a GOP is decoded.

    Attributes:
        whole: whether all of it is, or only its key packet.
        steady: whether its frames show the same for a while.
    """

    whole: bool
    steady: bool


class FrameSampler:
    """Examines the frames of a stream in their order, and returns the key frames.

    Args:
        sampling: how key frames are chosen.

    Attributes:
        facts: of the first frame that was examined; empty before.
        max_interval: as in `Sampling`.
        interval: the minimum interval between two key frames now, in seconds.
        settled: whether all frames from now on can be shown, because there was one that does not consist of changes.
    """

    def __init__(self, sampling: Sampling) -> None:
        self.max_interval = sampling.max_interval
        self.interval = sampling.min_interval
        self._detector = SceneDetector(sampling.threshold, self.interval, sampling.max_interval)
        self._last = self._latest = -STEP
        self._began: float | None = None
        self._held: tuple[SeenFrame, bool, bool] | None = None
        self.facts: dict[str, Any] = {}
        self.settled = False

    @property
    def has_seen_light(self) -> bool:
        """See `SceneDetector.has_seen_light`."""
        return self._detector.has_seen_light

    def choose(self, gop: GopFacts) -> Choice | None:
        """How the next GOP is decoded; None if it need not be."""
        self.settled |= gop.hidden
        whole = gop.is_needed(self.interval, self.max_interval)
        if not whole and 0 <= gop.end - self._latest < STEP:
            return None  # every packet is a key packet, as in MJPEG: a few per second are enough
        return Choice(whole, not whole and gop.is_still)

    def add(self, frame: SeenFrame, choice: Choice) -> Iterator[KeyFrame]:
        """Examine the frame before, unless this one shows that its time was wrong: it would hide all that follow."""
        if frame.corrupt or self._is_unfinished(frame):
            return
        if self._held is not None and self._held[0].time - frame.time > _REORDERED:
            self._held = None
        yield from self._release()
        self._held, self._latest = (frame, choice.steady, not choice.whole), frame.time

    def finish(self) -> Iterator[KeyFrame]:
        """Examine the last frame."""
        yield from self._release()
        yield from self._detector.finish()

    def widen(self) -> None:
        """Double the minimum interval."""
        self.interval = 2 * max(self.interval, STEP)
        self._detector.min_interval = self.interval

    def keep_pictures(self) -> None:
        """Keep the pictures that may be asked for later, in place of the frames that they are made of."""
        self._detector.keep_pictures()
        if self._held is not None:
            frame, steady, every = self._held
            kept = Kept(frame.thumbnail()), Kept(frame.picture()), dict
            self._held = SeenFrame(frame.time, frame.corrupt, frame.changes, *kept), steady, every

    def _is_unfinished(self, frame: SeenFrame) -> bool:
        """Whether a frame consists of changes to pictures that are missing, since the file begins within a GOP."""
        if self.settled:
            return False
        if self._began is None:
            self._began = frame.time
        self.settled = not (frame.changes and frame.time - self._began < MAX_GOP_SECONDS)
        return not self.settled

    def _release(self) -> Iterator[KeyFrame]:
        held, self._held = self._held, None
        if held is not None:
            yield from self._examine(*held)

    def _examine(self, frame: SeenFrame, steady: bool, every: bool) -> Iterator[KeyFrame]:
        time = frame.time
        if time <= self._last or (not every and time - self._last < STEP * 0.99):
            return
        self._last = time
        self.facts = self.facts or frame.facts()
        yield from self._detector.add_frame(max(time, 0.0), frame.thumbnail(), steady, frame.picture)


class FrameFile:
    """The file of key frames, with at most `max_frames` of them.

    Args:
        file: open for reading and writing.
        sampling: how many, and how large.
        times: those of the frames that it has.
    """

    def __init__(self, file: BinaryIO, sampling: Sampling, times: list[float]) -> None:
        self._file = file
        self._bytes = sampling.size * sampling.size * 3
        self._limit = max(2, sampling.max_frames)
        self.times = times

    def add(self, frame: KeyFrame) -> bool:
        """Append a frame. Returns True if the file was full and every second frame has been dropped."""
        self._file.write(frame.picture().tobytes())
        self.times.append(frame.time)
        if len(self.times) <= self._limit:
            return False
        for kept, index in enumerate(range(0, len(self.times), 2)):
            self._file.seek(index * self._bytes)
            data = self._file.read(self._bytes)
            self._file.seek(kept * self._bytes)
            self._file.write(data)
        self.times = self.times[::2]
        self._file.truncate()
        return True
