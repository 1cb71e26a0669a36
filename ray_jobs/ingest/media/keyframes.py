"""Key frames by scene change: which of a video's frames stand for what it shows.

Frames are looked at as thumbnails, a few in a second. Two are compared by their pixels in place and by their pixels
sorted by brightness. The first moves with anything in the picture; the second is the distance between the two
histograms (the earth mover's distance in one dimension), which motion hardly changes and another picture does. A scene
begins where the sum of both rises well above what is usual in this video just before, so that a cut between slides
that differ in a line of text counts as much as one between two shots of a moving camera.

A key frame is not the first frame of its scene but the first that has settled: a dissolve is over, a flash gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np

THUMBNAIL = 32
"""Pixels along each side of a thumbnail."""

STEP = 0.24
"""Seconds between two frames that are looked at: scenes of a second are seen four times, at 25 frames a second too."""

_RATIO = 3.0
"""A scene begins where the change is this many times what is usual; 3 is what PySceneDetect's AdaptiveDetector uses."""
_HISTOGRAM_WEIGHT = 4.0
_REMEMBERED = 12
"""Changes that say what is usual: the last three seconds."""
_ANOTHER = 0.25
"""A change that motion alone hardly makes; between two photos it is twice this as a rule."""
_DEADLINE = 1.5
"""Seconds after which a scene that does not settle is taken as it is."""
_DRIFT = 0.08
"""Histogram distance from the last key frame at which a scene without a visible beginning is another one."""
_BLACK = 24
"""Brightness, of 255, under which a whole picture is black."""


@dataclass(frozen=True, slots=True)
class Look:
    """A thumbnail prepared for comparison; `pixels` and `ordered` are int16 of shape (THUMBNAIL², 3)."""

    pixels: np.ndarray
    ordered: np.ndarray

    @classmethod
    def of(cls, thumbnail: np.ndarray) -> Look:
        """From a uint8 array of shape (THUMBNAIL, THUMBNAIL, 3), RGB."""
        pixels = thumbnail.reshape(-1, 3).astype(np.int16)
        return cls(pixels, np.sort(pixels, axis=0))

    @property
    def black(self) -> bool:
        """Nothing is to be seen."""
        return bool(self.ordered[-1].max() < _BLACK)

    def palette_distance(self, other: Look) -> float:
        """Between the histograms, from 0 to 1."""
        return float(np.abs(self.ordered - other.ordered).mean()) / 255

    def distance(self, other: Look) -> float:
        """From 0, the same, to 5, black and white."""
        place = float(np.abs(self.pixels - other.pixels).mean()) / 255
        return place + _HISTOGRAM_WEIGHT * self.palette_distance(other)


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """`time` in seconds; `picture` is what the caller's function gave for that frame."""

    time: float
    picture: np.ndarray


class SceneWatch:
    """Chooses key frames while a video goes by. Holds two pictures at most.

    Args:
        threshold: the least change that can be a new scene, on the scale of `Look.distance`; under it two frames are
            nearly identical.
        min_interval: seconds between two key frames at least.
        max_interval: seconds after which a scene that still changes gets another one.
    """

    def __init__(self, threshold: float, min_interval: float, max_interval: float) -> None:
        self._threshold = threshold
        self.min_interval = min_interval
        self._max_interval = max_interval
        self._usual: deque[float] = deque(maxlen=_REMEMBERED)
        self._previous: Look | None = None
        self._shown: tuple[float, Look] | None = None
        self._black: KeyFrame | None = None
        # Of a scene that has begun and not settled:
        self._since: float | None = None
        self._changes: list[float] = []
        self._candidate: tuple[KeyFrame, Look] | None = None

    def see(
        self, time: float, thumbnail: np.ndarray, steady: bool, picture: Callable[[], np.ndarray]
    ) -> Iterator[KeyFrame]:
        """Look at the next frame; yields the key frames that are now known, none as a rule.

        Args:
            time: seconds; frames come in order.
            thumbnail: uint8 array of shape (THUMBNAIL, THUMBNAIL, 3), RGB.
            steady: it is known that the frames after it show the same for a while.
            picture: gives the frame as the caller wants it; called only for a frame that may be chosen.
        """
        look = Look.of(thumbnail)
        change = look.distance(self._previous) if self._previous is not None else None
        self._previous = look
        if self._since is not None:
            assert change is not None
            limit = self._limit(self._changes or self._usual)
            if not self._changes:
                # One frame between two changes is a flash, or motion where frames are far between; or a scene of its
                # own, if it stands for long and what follows is nothing like it.
                limit = max(limit, _ANOTHER) if time - self._candidate_time() >= 2 * STEP else float("inf")
            if change > limit:
                # A scene that ended before it settled.
                if self._may_come(self._candidate_time()):
                    yield from self._take()
                self._begin(time)
            else:
                self._changes.append(change)
            self._candidate = (KeyFrame(time, picture()), look)
            settled = steady or (self._changes and change <= self._limit(self._usual) / 2)
            overdue = time - self._since >= _DEADLINE
            if (settled or overdue) and self._may_come(time):
                if not settled:
                    self._usual.extend(self._changes)  # it moves like this
                yield from self._take()
        elif change is None or change > self._limit(self._usual) or self._drifted(time, look, steady):
            self._begin(time)
            self._candidate = (KeyFrame(time, picture()), look)
            if steady and self._may_come(time):
                yield from self._take()
        else:
            self._usual.append(change)

    def end(self) -> Iterator[KeyFrame]:
        """The video is over: what is left of its last scene, or a black frame where there is no other."""
        if self._candidate is not None and self._may_come(self._candidate_time()):
            yield from self._take()
        if self._shown is None and self._black is not None:
            yield self._black

    def _limit(self, changes: list[float] | deque[float]) -> float:
        return max(self._threshold, _RATIO * median(changes) if changes else 0.0)

    def _begin(self, time: float) -> None:
        self._since = time
        self._changes = []

    def _may_come(self, time: float) -> bool:
        return self._shown is None or time - self._shown[0] >= self.min_interval

    def _drifted(self, time: float, look: Look, steady: bool) -> bool:
        """Whether a scene without a sharp beginning has become another picture, or has gone on for long and changed."""
        if self._shown is None or not self._may_come(time):
            return False
        shown_at, shown = self._shown
        if time - shown_at >= self._max_interval and look.distance(shown) > 2 * self._threshold:
            return True
        return look.palette_distance(shown) > _DRIFT

    def _candidate_time(self) -> float:
        assert self._candidate is not None
        return self._candidate[0].time

    def _take(self) -> Iterator[KeyFrame]:
        """The candidate, unless it shows nothing or what the last key frame shows."""
        assert self._candidate is not None
        frame, look = self._candidate
        self._since, self._candidate = None, None
        if look.black:
            self._black = frame
        elif self._shown is None or look.distance(self._shown[1]) > self._threshold:
            self._shown = (frame.time, look)
            yield frame
