"""Scene detection: chooses the key frames of a video, at least one per scene.

The detector looks at thumbnails, a few per second. It compares two of them by their pixels in place and by their pixels
sorted by brightness. The first distance reacts to all motion. The second is the distance between the histograms (the
one-dimensional earth mover's distance), which motion hardly changes and a new picture does. A scene begins where the
sum of both rises well above its recent level, so that a cut between slides that differ in a line of text counts as much
as a cut between two shots of a moving camera. Between dark frames, the first distance is that of the pixels that change
most: small grey type on black hardly moves a mean.

A key frame is not the first frame of its scene but the first that has settled: a dissolve is over, a flash is gone.
What merely moves has settled, too: its pixels change, and their histogram does not.

PySceneDetect 0.7.2 with its defaults and the middle frame of each scene does not replace it: it misses most dissolves,
and slides that differ only in their text. CPU time is that of one thread, with decoding; here `ingest.media.video`
decodes only some of the frames (November 2026; `tests/benchmarks/test_scene_detection.py`):

    scenes with a key frame / key frames / CPU      this module         ContentDetector     AdaptiveDetector
    corpus: 30 scenes, cuts                          30 /  30 / 0.6 s    30 /  30 /  2.9 s    30 /  30 /  3.0 s
    made here: 142 scenes, cuts and fades           142 / 143 / 4.7 s   138 / 140 / 16.8 s   142 / 162 / 17.4 s
    made here: 92 scenes, dissolves and slides       87 /  93 / 2.9 s    26 /  26 /  8.9 s    26 /  28 /  8.9 s
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np

THUMBNAIL = 32
"""Side length of a thumbnail in pixels."""

STEP = 0.24
"""Seconds between two frames that are examined: a scene of one second is seen four times, also at 25 frames/s."""

_RATIO = 3.0
"""A scene begins where the change is this many times the usual one, as in PySceneDetect's AdaptiveDetector."""
_HISTOGRAM_WEIGHT = 4.0
_HISTORY = 12
"""Number of recent changes whose median is the usual change: those of three seconds."""
_CERTAIN_CHANGE = 0.25
"""A change that motion alone rarely causes; between two photos it is usually twice as large."""
_SETTLE_TIMEOUT = 1.5
"""Seconds after which a scene gets its key frame even if it has not settled."""
_MOTION, _MOTION_SHARE = 0.02, 0.6
"""Largest change of the histogram, as a part of `FrameSignature.distance` and as a share of it, in a scene that merely
moves. Without them, a key frame was 0.41 s behind the start of its scene on the mean, and 1.7 s at most; with them,
0.26 s and 0.8 s, and as many scenes have one (312 as in `tests/benchmarks/test_scene_detection.py`, November 2026)."""
_DRIFT = 0.08
"""Histogram distance from the last key frame above which a gradual change counts as a new scene."""
BLACK = 24
"""Brightness (of 255) that no pixel of a black frame reaches."""
_BLANK = 8
"""Difference in brightness above which a dark frame shows something: grey type on black, in a thumbnail."""
_DARK = 100
"""Brightness that no pixel of a dark frame reaches. All of its changes are small, so that the largest ones count."""
_DARK_GAIN = 6.0
"""Factor for the changes of dark frames: grey type on black changes about a sixth of what dark type on white does."""
_LARGEST = THUMBNAIL * THUMBNAIL // 20
"""Number of pixels that change most: about those of a line of small type."""


@dataclass(frozen=True, slots=True)
class FrameSignature:
    """A thumbnail prepared for comparison.

    Attributes:
        pixels: int16 of shape (THUMBNAIL², 3).
        ordered: the same values, sorted in each channel.
    """

    pixels: np.ndarray
    ordered: np.ndarray

    @classmethod
    def of(cls, thumbnail: np.ndarray) -> FrameSignature:
        """From a uint8 array of shape (THUMBNAIL, THUMBNAIL, 3), RGB."""
        pixels = thumbnail.reshape(-1, 3).astype(np.int16)
        return cls(pixels, np.sort(pixels, axis=0))

    @property
    def black(self) -> bool:
        """Whether the whole frame is black and shows nothing."""
        return self.brightest < BLACK and self.brightest - int(self.ordered[0].min()) < _BLANK

    @property
    def dark(self) -> bool:
        """Whether the whole frame is dark."""
        return self.brightest < _DARK

    @property
    def brightest(self) -> int:
        """The largest value of any pixel, of 255."""
        return int(self.ordered[-1].max())

    def histogram_distance(self, other: FrameSignature) -> float:
        """Distance between the histograms, from 0 to 1."""
        return float(np.abs(self.ordered - other.ordered).mean()) / 255

    def distance(self, other: FrameSignature) -> float:
        """Distance from 0 (identical) to 5 (black and white)."""
        changes = np.abs(self.pixels - other.pixels)
        if self.dark and other.dark:
            changes = _DARK_GAIN * np.partition(changes.mean(axis=1), -_LARGEST)[-_LARGEST:]
        place = float(changes.mean()) / 255
        return place + _HISTOGRAM_WEIGHT * self.histogram_distance(other)


@dataclass(frozen=True, slots=True)
class Kept:
    """Returns an array that was made before."""

    array: np.ndarray

    def __call__(self) -> np.ndarray:
        return self.array


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """A key frame: its time in seconds, and the caller's function that returns its picture."""

    time: float
    picture: Callable[[], np.ndarray]

    def kept(self) -> KeyFrame:
        """The same with its picture."""
        return KeyFrame(self.time, Kept(self.picture()))


class SceneDetector:
    """Chooses key frames from a stream of frames. It holds at most two of them.

    Args:
        threshold: smallest change that can begin a scene, as `FrameSignature.distance`; frames that differ less are
            nearly identical.
        min_interval: minimum seconds between two key frames.
        max_interval: seconds after which a scene that keeps changing gets another key frame.
    """

    def __init__(self, threshold: float, min_interval: float, max_interval: float) -> None:
        self._threshold = threshold
        self.min_interval = min_interval
        self._max_interval = max_interval
        self._usual: deque[float] = deque(maxlen=_HISTORY)
        self._previous: FrameSignature | None = None
        self._last_key: tuple[float, FrameSignature] | None = None
        self._black: KeyFrame | None = None
        # State of a scene that has begun and not yet settled:
        self._since: float | None = None
        self._changes: list[float] = []
        self._candidate: tuple[KeyFrame, FrameSignature] | None = None

    @property
    def has_seen_light(self) -> bool:
        """Whether a key frame that is not black has been chosen."""
        return self._last_key is not None

    def add_frame(
        self, time: float, thumbnail: np.ndarray, steady: bool, picture: Callable[[], np.ndarray]
    ) -> Iterator[KeyFrame]:
        """Examine the next frame, and yield the key frames that are now certain: usually none.

        Args:
            time: seconds, increasing from call to call.
            thumbnail: uint8 array of shape (THUMBNAIL, THUMBNAIL, 3), RGB.
            steady: the frames after this one are known to show the same for a while.
            picture: returns the frame in the form that the caller wants; called for no frame but key frames.
        """
        signature, previous = FrameSignature.of(thumbnail), self._previous
        change = signature.distance(previous) if previous is not None else None
        self._previous = signature
        if self._since is not None:
            assert change is not None and previous is not None
            limit = self._limit(self._changes or self._usual)
            if not self._changes:
                # A single frame between two changes is a flash, or motion where frames are sparse. It is a scene of
                # its own only if it lasts and the next frame is entirely different.
                limit = max(limit, _CERTAIN_CHANGE) if time - self._candidate_time() >= 2 * STEP else float("inf")
            if change > limit:
                # The scene ended before it settled.
                if self._interval_over(self._candidate_time()):
                    yield from self._accept_candidate()
                self._begin(time)
            else:
                self._changes.append(change)
            self._candidate = (KeyFrame(time, picture), signature)
            settled = steady or (self._changes and change <= self._limit(self._usual) / 2)
            overdue = time - self._since >= _SETTLE_TIMEOUT
            moves = self._changes and _merely_moves(_HISTOGRAM_WEIGHT * signature.histogram_distance(previous), change)
            if (settled or overdue or moves) and self._interval_over(time):
                if not settled:
                    self._usual.extend(self._changes)  # this much motion is usual from now on
                yield from self._accept_candidate()
        elif change is None or change > self._limit(self._usual) or self._drifted(time, signature, steady):
            self._begin(time)
            self._candidate = (KeyFrame(time, picture), signature)
            if steady and self._interval_over(time):
                yield from self._accept_candidate()
        else:
            self._usual.append(change)

    def finish(self) -> Iterator[KeyFrame]:
        """Yield the key frame of the last scene, or a black frame if the video has no other."""
        if self._candidate is not None and self._interval_over(self._candidate_time()):
            yield from self._accept_candidate()
        if self._last_key is None and self._black is not None:
            yield self._black

    def keep_pictures(self) -> None:
        """Call the functions that return pictures, and keep these in their place."""
        if self._candidate is not None:
            self._candidate = self._candidate[0].kept(), self._candidate[1]
        if self._black is not None:
            self._black = self._black.kept()

    def _limit(self, changes: list[float] | deque[float]) -> float:
        return max(self._threshold, _RATIO * median(changes) if changes else 0.0)

    def _begin(self, time: float) -> None:
        self._since = time
        self._changes = []

    def _interval_over(self, time: float) -> bool:
        return self._last_key is None or time - self._last_key[0] >= self.min_interval

    def _drifted(self, time: float, signature: FrameSignature, steady: bool) -> bool:
        """Whether the picture has changed gradually: into another one, or at all since a key frame long ago."""
        if self._last_key is None or not self._interval_over(time):
            return False
        key_time, key_signature = self._last_key
        limit = self._limit(self._usual) if signature.dark else self._threshold  # in the dark, cameras add noise
        if time - key_time >= self._max_interval and signature.distance(key_signature) > 2 * limit:
            return True
        return signature.histogram_distance(key_signature) > _DRIFT

    def _candidate_time(self) -> float:
        assert self._candidate is not None
        return self._candidate[0].time

    def _accept_candidate(self) -> Iterator[KeyFrame]:
        """Yield the candidate unless it is black or nearly identical to the last key frame."""
        assert self._candidate is not None
        frame, signature = self._candidate
        self._since, self._candidate = None, None
        if signature.black:
            self._black = frame
        elif self._last_key is None or signature.distance(self._last_key[1]) > self._threshold:
            self._last_key = (frame.time, signature)
            yield frame


def _merely_moves(histogram: float, change: float) -> bool:
    """Whether a change is one of motion, by the part of it that is a change of the histogram."""
    return histogram <= min(_MOTION, _MOTION_SHARE * change)
