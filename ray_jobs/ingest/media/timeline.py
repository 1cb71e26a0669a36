"""One timeline for all streams of a file, whatever its time stamps do.

The time stamps of a file may begin anywhere, restart or jump in its middle (joined segments, chapters of a DVD, a clock
that wrapped around or was set), or be missing. A part of the file between two jumps is an epoch; the timeline moves
each epoch to the end of the one before. All streams share the epochs, so that sound and picture stay together.

A jump is a step backward, or a step forward of more than the limit in all streams: a pause in one stream, while another
goes on, is no jump. FFmpeg's own tools use the same thresholds (`-dts_delta_threshold`, `-dts_error_threshold`), but a
demuxer returns the time stamps as they are stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet

_STEADY = 0.5
"""Seconds between two packets that are nothing unusual; a step backward by less is rounding or reordering."""
_BACK = 0.25
"""Seconds of a step backward of decoding times that is rounding; the shortest part of a joined file is longer."""
_REORDERED = 16
"""Frames by which a packet may precede the one before if only presentation times are known: H.264's longest delay."""
_JUMP = 10.0
"""Seconds of a step forward that is a jump in formats whose time stamps are known to jump, such as MPEG-TS."""
_GAP = 600.0
"""Seconds of a step forward that is a jump in other formats."""
_INTERLEAVING = 5.0
"""Seconds by which streams that are stored side by side differ at most."""
_NEGATIVE = 1 << 31
"""Duration from which it is a negative one of 32 bits."""
_EPOCHS = 8
"""Number of the latest epochs that are remembered."""


@dataclass(slots=True)
class _Clock:
    """The state of a stream: the time stamps are multiples of `base` seconds.

    Attributes:
        offset: seconds that are added to its time stamps.
        next: seconds at which its next packet is expected; None before the first one.
    """

    base: float
    offset: float
    next: float | None = None


def _move(packet: Packet, clock: _Clock) -> None:
    shift = round(clock.offset / clock.base)
    if shift:
        if packet.dts is not None:
            packet.dts += shift
        if packet.pts is not None:
            packet.pts += shift


class Strays:
    """Corrects a time stamp that lies ahead of both its neighbours, as after bit rot; the next packet shows that.

    A timeline could only take it for a pause, and the step back after it for a jump that moves the rest of the file.
    """

    def __init__(self) -> None:
        self._held: dict[int, Packet] = {}
        self._expected: dict[int, int] = {}

    def corrected(self, packets: Iterable[Packet], last: int) -> Iterator[Packet]:
        """Yield the packets of a file, each when the next one of its stream has come, and of `last` the very last."""
        for packet in packets:
            held = self._held.pop(packet.stream_index, None)
            if held is not None and self._jumps(held, packet):  # those of other streams belong before the jump
                yield from self._held.values()
                self._held.clear()
            if held is not None:
                yield held
            self._held[packet.stream_index] = packet
        yield from sorted(self._held.values(), key=lambda packet: packet.stream_index == last)

    def _jumps(self, packet: Packet, following: Packet) -> bool:
        """Correct a packet's time stamp, and return whether that of the following one is far from it nevertheless."""
        stamp, after, length = _stamp(packet), _stamp(following), _length(packet)
        expected = self._expected.pop(packet.stream_index, None)
        if stamp is None or after is None or not packet.time_base:
            return False
        steady = _STEADY / float(packet.time_base)
        if expected is not None and stamp - expected > steady and abs(after - expected - length) <= steady:
            packet.dts = packet.pts = stamp = expected
        self._expected[packet.stream_index] = stamp + length
        return abs(after - stamp - length) > steady


def _stamp(packet: Packet) -> int | None:
    return packet.pts if packet.dts is None else packet.dts


def _length(packet: Packet) -> int:
    """The duration of a packet; 0 if none is known. FFmpeg writes that of the last packet of an Ogg file, which the
    position of its page may shorten, as an unsigned number even if the file ends before the packet begins."""
    duration = packet.duration or 0
    return duration if 0 <= duration < _NEGATIVE else 0


class Timeline:
    """Moves the time stamps of packets onto a timeline that begins at 0.

    Attributes:
        end: seconds at which the last packet so far ends.
    """

    def __init__(self, container: InputContainer) -> None:
        self._jump = _JUMP if has_flag(container, Flags.ts_discont) else _GAP
        self._offsets = [-container_start(container)]
        self._clocks: dict[int, _Clock] = {}
        self.end = 0.0

    def place(self, packet: Packet) -> float:
        """Rewrite the time stamps of a packet, in the order of the file; return its time in seconds.

        A packet without a time stamp follows the one before.
        """
        clock = self._clocks.get(packet.stream_index)
        if clock is None:
            clock = _Clock(float(packet.time_base or 0), self._offsets[0])
            self._clocks[packet.stream_index] = clock
        dts, pts, base = packet.dts, packet.pts, clock.base
        stamp = pts if dts is None else dts
        length = _length(packet) * base
        if packet.is_discard and stamp is not None:  # an edit list hides it: its time repeats, or lies before the start
            _move(packet, clock)
            return (stamp if pts is None else pts) * base + clock.offset
        if stamp is None:
            decoded = clock.next or 0.0
            if base:
                packet.dts = round(decoded / base)
            shown = decoded
        else:
            decoded = stamp * base + clock.offset
            back = _BACK if dts is not None else max(_STEADY, _REORDERED * length)
            if clock.next is None or not -back <= decoded - clock.next <= _STEADY:
                clock.offset = self._offset(stamp * base, (stamp if pts is None else pts) * base, clock, back)
                decoded = stamp * base + clock.offset
            _move(packet, clock)
            shown = decoded if pts is None else pts * base + clock.offset
        clock.next = decoded + length
        if shown + length > self.end:
            self.end = shown + length
        return shown

    def _offset(self, stamp: float, shown: float, clock: _Clock, back: float) -> float:
        """The offset of the epoch that a packet belongs to after an unusual step: a known one, or a new one.

        Args:
            stamp: the packet's time stamp in seconds.
            shown: the same for its presentation.
            clock: of its stream.
            back: seconds of a step backward that are no jump.
        """
        expected = self.end if clock.next is None else clock.next

        def belongs(time: float) -> bool:
            if clock.next is None:  # a stream may begin late, and may be stored behind the others
                return -self._jump <= time <= self.end + self._jump
            beside_others = abs(time - self.end) <= _INTERLEAVING
            return time >= expected - back and (time <= expected + self._jump or beside_others)

        known = [offset for offset in self._offsets if belongs(stamp + offset)]
        if known:
            return min(known, key=lambda offset: abs(stamp + offset - expected))
        self._offsets = [*self._offsets, self.end - shown][-_EPOCHS:]
        return self._offsets[-1]


def has_flag(container: InputContainer, flag: Flags) -> bool:
    """Whether FFmpeg says so of the format, for example that its time stamps may jump."""
    return bool(container.format.flags & cast(int, flag.value))


def container_start(container: InputContainer) -> float:
    """Return the container's start on the time scale of its streams."""
    if container.start_time is not None:
        return container.start_time / av.time_base
    starts = [float(s.start_time * s.time_base) for s in container.streams if s.start_time is not None and s.time_base]
    return min(starts, default=0.0)
