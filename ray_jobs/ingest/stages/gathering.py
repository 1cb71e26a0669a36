"""Put the pieces of a long recording together again, of which several actors have embedded or transcribed one each.

A piece is a stretch of its sound or some of its key frames. For the collector, all of them are stretches.

One actor collects what they have heard, for all recordings of a run. The call that brings the last missing stretch gets
all of them, and its caller hands the whole recording on; the others hand on nothing. Ray may run a call again, because
the process that made it died: a stretch that has come already changes nothing, and the call that completed a recording
gets all stretches again.

A recording is announced before its first stretch is. If the collecting process dies, another one starts empty, and
knows nothing of the recordings whose stretches still come: each of these fails once, and the next run processes it.
"""

from __future__ import annotations

import pickle
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.speech import Language

CLAIM_TIMEOUT = 120.0
"""Seconds after which another actor detects the language, because the one that was to do it may have died."""

POLL_SECONDS = 0.1

KEPT_BYTES = 256 << 20
"""Bytes of complete recordings that are kept for a call that is made again: a few of ten hours, or some thousand
short ones."""

Key = tuple[str, str]
"""The source and the version of a recording."""

LOST = ObjectError(Failure.INTERRUPTED, "the process that puts the stretches of recordings together was lost")


@dataclass(frozen=True, slots=True)
class Order:
    """What the caller is to do for a stretch; nothing if all attributes are empty.

    Attributes:
        hear: transcribe it.
        language: the language of the recording, if it was detected.
        sample: sounds whose language the caller is to detect before.
        wait: ask again: another caller is detecting the language.
        parts: hand the recording on, which consists of these parts in order.
        failure: hand the recording on as failed.
    """

    hear: bool = False
    language: Language | None = None
    sample: Sequence[np.ndarray] = ()
    wait: bool = False
    parts: Sequence[Any] = ()
    failure: ObjectError | None = None


@dataclass(slots=True)
class _Recording:
    """A recording.

    Attributes:
        sample: sounds whose language tells that of the recording.
        claim: who is detecting the language, and since when.
        parts: what has come, by the number of the stretch.
        count: the number of stretches, known when the last one has come.
        done_by: the number of the stretch whose caller hands the recording on.
        failure: why it failed.
    """

    sample: Sequence[np.ndarray] = ()
    language: Language | None = None
    claim: tuple[str, float] = ("", 0.0)
    parts: dict[int, bytes] = field(default_factory=dict)
    count: int = -1
    done_by: int | None = None
    failure: ObjectError | None = None

    def order(self, number: int) -> Order:
        """What the caller with a stretch is to do, after that has come or the recording has failed."""
        if number != self.done_by:
            return Order()
        if self.failure is not None:
            return Order(failure=self.failure)
        return Order(parts=[self.parts[number] for number in range(self.count)])


class StretchCollector:
    """The stretches that were transcribed. See `SharedState`.

    Args:
        kept_bytes: as KEPT_BYTES.
        clock: the time in seconds.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._recordings: OrderedDict[Key, _Recording] = OrderedDict()
        self._complete: OrderedDict[Key, int] = OrderedDict()  # their bytes, oldest first
        self._kept_bytes = kept_bytes
        self._now = clock

    def announce_recording(self, key: Key, sample: Sequence[np.ndarray]) -> None:
        """Expect the stretches of a recording. `sample` are sounds that tell its language; none if nobody speaks."""
        self._recordings.setdefault(key, _Recording(sample))

    def begin_stretch(self, key: Key, number: int, owner: str, detects: bool) -> Order:
        """Say what to do with a stretch.

        Args:
            owner: the name of the calling actor, the same after its restart.
            detects: whether the language has to be detected.
        """
        if key not in self._recordings:
            return self.fail_stretch(key, number, LOST)
        recording = self._recordings[key]
        if recording.done_by is not None or number in recording.parts:
            return recording.order(number)
        if recording.language is not None or not detects or not recording.sample:
            return Order(hear=True, language=recording.language)
        claimant, since = recording.claim
        if claimant not in ("", owner) and self._now() - since < CLAIM_TIMEOUT:
            return Order(wait=True)
        recording.claim = (owner, self._now())
        return Order(hear=True, sample=recording.sample)

    def put_language(self, key: Key, language: Language) -> None:
        """Tell the language of a recording."""
        if key in self._recordings and self._recordings[key].language is None:
            self._recordings[key].language, self._recordings[key].sample = language, ()

    def end_stretch(self, key: Key, number: int, last: bool, part: bytes) -> Order:
        """Take what was heard in a stretch, and say what to do now."""
        if key not in self._recordings:
            return self.fail_stretch(key, number, LOST)
        recording = self._recordings[key]
        if recording.done_by is None:
            recording.parts[number] = part
            if last:
                recording.count = number + 1
            if len(recording.parts) == recording.count:
                recording.done_by, recording.sample = number, ()
                self._complete[key] = sum(map(len, recording.parts.values()))
                self._drop_oldest()
        return recording.order(number)

    def fail_stretch(self, key: Key, number: int, failure: ObjectError) -> Order:
        """Note that a stretch cannot be transcribed, and say what to do now."""
        recording = self._recordings.setdefault(key, _Recording())
        if recording.done_by is None:
            recording.done_by, recording.failure = number, failure
            recording.parts, recording.sample = {}, ()
        return recording.order(number)

    def release_claims(self) -> None:
        """Let anyone detect the languages that others have begun to detect."""
        for recording in self._recordings.values():
            recording.claim = ("", 0.0)

    def unfinished_recordings(self) -> list[str]:
        """The sources of the recordings of which not all stretches have come."""
        return [source for (source, _), recording in self._recordings.items() if recording.done_by is None]

    def _drop_oldest(self) -> None:
        while sum(self._complete.values()) > self._kept_bytes and len(self._complete) > 1:
            key, _ = self._complete.popitem(last=False)
            recording = self._recordings[key]
            recording.failure, recording.parts = LOST, {}


class StretchCollectorClient:
    """The access of a stage to the actor that collects stretches. Each method waits until the actor has answered."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def announce(self, key: Key, sample: Sequence[np.ndarray]) -> None:
        """See `StretchCollector.announce_recording`."""
        self._call("announce_recording", key, sample)

    def begin(self, key: Key, number: int, owner: str, detects: bool) -> Order:
        """See `StretchCollector.begin_stretch`. It also waits while another actor detects the language."""
        while (order := self._call("begin_stretch", key, number, owner, detects)).wait:
            time.sleep(POLL_SECONDS)
        return _opened(order)

    def put_language(self, key: Key, language: Language) -> None:
        """See `StretchCollector.put_language`."""
        self._call("put_language", key, language)

    def end(self, key: Key, number: int, last: bool, part: Any) -> Order:
        """See `StretchCollector.end_stretch`. The actor does not look into the part."""
        return _opened(self._call("end_stretch", key, number, last, pickle.dumps(part)))

    def fail(self, key: Key, number: int, failure: ObjectError) -> Order:
        """See `StretchCollector.fail_stretch`."""
        return _opened(self._call("fail_stretch", key, number, failure))

    def _call(self, method: str, *args: Any) -> Any:
        import ray

        return ray.get(getattr(self._actor, method).remote(*args))


def _opened(order: Order) -> Order:
    """The order with its parts as they were before they were sent."""
    return replace(order, parts=[pickle.loads(part) for part in order.parts])
