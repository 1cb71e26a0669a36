"""Groups of pictures (GOPs) of a video stream, and how much of each has to be decoded.

A GOP is a key packet, which is a complete picture, and packets with the changes after it. A new picture needs about as
many bytes as a key packet, wherever it occurs. Therefore the sizes of the packets, which are known without decoding,
tell whether a scene can begin inside a GOP. If not, only the key packet is decoded, otherwise the whole GOP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from av.packet import Packet

from ingest.media.keyframes import STEP

_SLOT = 0.5
"""Bytes are summed over two slots of so many seconds, since a dissolve sends its new picture in many small parts."""
_SHORT_GOP = 0.5
"""Seconds; if key packets are at most this far apart, a scene of one second contains two of them."""
_NEW_PICTURE = 0.3
"""Minimum size of a coarsely quantised new picture, relative to the key packet."""
_STILL = 0.1
"""Size of one second of packets relative to the key packet, below which there is hardly any motion."""
_FLAT = 2048
"""Bytes below which a key packet shows almost nothing, such as one colour: its size says nothing about others."""
MAX_GOP_SECONDS = 15.0
"""Seconds of a GOP that are buffered to assess it; a longer one is decoded completely."""
_MAX_GOP_BYTES = 64_000_000
"""Bytes of a GOP that are buffered."""


@dataclass(frozen=True, slots=True)
class Gop:
    """The packets from one key packet to the next, or a part of them, as they come.

    Attributes:
        packets: with their times.
        end: when the next GOP begins.
        goes_on: whether it goes on in the next one.
        follows: whether it goes on from the one before.
    """

    packets: list[tuple[float, Packet]]
    end: float
    goes_on: bool
    follows: bool

    def largest_change(self) -> float:
        """Return the most bytes within any second after the key packet, relative to its own bytes."""
        key, rest = self.packets[0][1].size, self.packets[1:]
        if not rest:
            return 0.0
        if key < _FLAT:
            return float("inf")
        first, last = min(time for time, _ in rest), max(time for time, _ in rest)
        slots = np.zeros(int((last - first) / _SLOT) + 2)
        for time, packet in rest:
            slots[int((time - first) / _SLOT)] += packet.size
        return float((slots[:-1] + slots[1:]).max()) / key


@dataclass(frozen=True, slots=True)
class GopFacts:
    """What the packets of a GOP tell about it.

    Attributes:
        start, end: in seconds.
        goes_on: as in `Gop`.
        key: whether it begins with a key packet.
        hidden: whether that is not shown: decoders return only the frames behind it, which consist of changes to a
            picture that is there.
        follows: as in `Gop`.
        change: see `Gop.largest_change`.
        packets: their number.
    """

    start: float
    end: float
    goes_on: bool
    follows: bool
    key: bool
    hidden: bool
    change: float
    packets: int

    @classmethod
    def of(cls, gop: Gop) -> GopFacts:
        start, first = gop.packets[0]
        return cls(
            start, gop.end, gop.goes_on, gop.follows, first.is_keyframe, first.is_keyframe and first.is_discard,
            gop.largest_change(), len(gop.packets),
        )  # fmt: skip

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def is_needed(self, interval: float, max_interval: float) -> bool:
        """Whether all of it is decoded, and not only its key packet. A larger `interval` never needs more.

        Args:
            interval: as `min_interval` of `SceneDetector`.
            max_interval: as there.
        """
        incomplete = self.follows or self.goes_on or not self.key or self.hidden
        short = self.seconds <= max(_SHORT_GOP, interval)
        uniform = self.change < _NEW_PICTURE and self.seconds <= max_interval
        return incomplete or not (short or uniform)

    @property
    def is_still(self) -> bool:
        """Whether hardly anything moves in it, and that for a while."""
        return self.change < _STILL and self.seconds >= 2 * STEP

    @property
    def begins_anew(self) -> bool:
        """Whether decoding can begin with it, whatever is known of the frames before it."""
        return self.key and not self.hidden and not self.follows and self.seconds >= STEP


def gops(timed: Iterable[tuple[float, Packet]]) -> Iterator[Gop]:
    """Group the packets of a video stream, in decoding order, into GOPs of bounded size."""
    gop_packets: list[tuple[float, Packet]] = []
    size, follows = 0, False
    for time, packet in timed:
        if gop_packets and packet.is_keyframe:
            yield Gop(gop_packets, time, False, follows)
            gop_packets, size, follows = [], 0, False
        elif gop_packets and (time - gop_packets[0][0] > MAX_GOP_SECONDS or size > _MAX_GOP_BYTES):
            yield Gop(gop_packets, time, True, follows)
            gop_packets, size, follows = [], 0, True
        gop_packets.append((time, packet))
        size += packet.size
    if gop_packets:
        yield Gop(gop_packets, max(time for time, _ in gop_packets), False, follows)
