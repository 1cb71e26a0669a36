"""Divides a long film into stretches of time, which several processes decode.

One process reads the beginning of the film. If the rest is likely to take long, it does not decode it, but writes the
packets into a file for each stretch (`StretchWriter`). Any number of processes decode a stretch each, and guess which
frames will be looked at (`stretch_reading`). One process looks at the frames of all stretches in their order, as if it
had decoded them itself (`joined_stretches`).

So the key frames are those of a film that was not divided, whatever was guessed: which frames are examined, and what
counts as a new scene, depends on all frames before, and is decided by the last process alone. If it needs a frame that
no reader has kept, it decodes that one itself. Readers err about few: a stretch begins where decoding can begin, and
once only the key packet of a GOP was decoded, it does not matter any more which frames were examined before.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from threading import Event
from typing import Any, cast

from av.packet import Packet
from av.video.stream import VideoStream

from ingest.media.gops import Gop, GopFacts
from ingest.media.sampling import FrameSampler
from ingest.media.video import ExtractedFrames, KeyFrameReader

_DIVISIBLE = ("h264", "vp9", "av1")
"""Codecs whose decoders need nothing but the header of the file and a key packet. Those of VP8, HEVC and MPEG-1 to
MPEG-4 fill gaps of damaged pictures with what they decoded before. Of those whose packets are all key packets, a few
frames per second are decoded anyway, and which ones depends on those before."""

_HARMLESS = ("mpegts_stream_id", "a53_cc", "afd", "prft", "s12m_timecode")
"""Side data of packets that decoders of pictures do not need."""

_LEAST, _MOST = 5.0, 600.0
"""Seconds of a stretch."""


class IndivisibleError(Exception):
    """Packets of the film cannot be handed to another process as they are."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """When the rest of a film is divided, and how, in seconds of decoding.

    Attributes:
        sample: what the beginning takes at least, from which the rest is estimated.
        rest: what the rest takes at least; another process takes a second to start.
        stretch: what a stretch takes.
    """

    sample: float = 2.0
    rest: float = 8.0
    stretch: float = 5.0


@dataclass(slots=True)
class BegunFrames:
    """The frames of a film of which the rest is divided.

    Attributes:
        index: of its stream.
        files: the names of the stretches.
        seconds: how long a stretch is likely to take.
        result: what is known of the beginning.
        sampler: as it was before the first stretch.
    """

    index: int
    files: list[str]
    seconds: float
    result: ExtractedFrames
    sampler: FrameSampler


class StretchWriter:
    """Decides whether the rest of a film is divided, and writes its stretches: see `video.Leave`.

    Args:
        folder: where the stretches are written.
        sharing: when the rest is divided.
        length: the seconds of the film, as far as they are known.
        stop: ends the division when set.

    Attributes:
        begun: the film, if its rest was divided.
    """

    def __init__(self, folder: Path, sharing: Sharing, length: float, stop: Event) -> None:
        self._folder, self._sharing, self._length, self._stop = folder, sharing, length, stop
        self._began = time.perf_counter()
        self.begun: BegunFrames | None = None

    def __call__(self, reader: KeyFrameReader, gop: Gop, following: Iterator[Gop]) -> bool:
        """See `video.Leave`.

        Raises:
            IndivisibleError: the film cannot be divided, which is known too late.
            OSError: there is no space for its packets.
        """
        spent, at = time.perf_counter() - self._began, gop.packets[0][0]
        if spent < self._sharing.sample or at <= 0 or spent * (self._length - at) < self._sharing.rest * at:
            return False
        is_ready = reader.sampler.settled and reader.sampler.facts and GopFacts.of(gop).begins_anew
        if not is_ready or reader.stream.codec_context.codec.canonical_name not in _DIVISIBLE:
            return False
        reader.sampler.keep_pictures()
        length = min(max(_LEAST, self._sharing.stretch * at / spent), _MOST)
        files = self._written(reader.sampler, chain([gop], following), length)
        self.begun = BegunFrames(reader.stream.index, files, length * spent / at, reader.result, reader.sampler)
        return True

    def _written(self, sampler: FrameSampler, found: Iterator[Gop], length: float) -> list[str]:
        files: list[str] = []
        file, began = None, 0.0
        try:
            for gop in found:
                if self._stop.is_set():
                    break
                facts = GopFacts.of(gop)
                if file is None or (facts.begins_anew and facts.start - began >= length):
                    if file is not None:
                        file.close()
                    files.append(f"stretch-{len(files)}")
                    file, began = (self._folder / files[-1]).open("wb"), facts.start
                whole = facts.is_needed(sampler.interval, sampler.max_interval)
                pickle.dump((facts, _written_packets(gop, whole)), file, pickle.HIGHEST_PROTOCOL)
        finally:
            if file is not None:
                file.close()
        return files


Packets = list[tuple[float, tuple[Any, ...]]]
"""The times of packets, and their bytes, time stamps and flags."""


def _written_packets(gop: Gop, whole: bool) -> Packets:
    chosen = gop.packets if whole else gop.packets[:1]
    for _, packet in chosen:
        if packet.is_discard or any(data.data_type not in _HARMLESS for data in packet.iter_sidedata()):
            raise IndivisibleError
    return [
        (at, (bytes(packet), packet.pts, packet.dts, packet.duration, packet.is_keyframe, packet.is_corrupt))
        for at, packet in chosen
    ]


def read_packets(written: Packets, stream: VideoStream) -> list[tuple[float, Packet]]:
    """The packets of a stream that were written."""
    found = []
    for at, (data, pts, dts, duration, is_key, is_corrupt) in written:
        packet = Packet(len(data))
        packet.update(data)  # Packet(data) lacks the zeros behind its end, which decoders read
        packet.stream = stream
        packet.time_base = cast(Fraction, stream.time_base)
        packet.pts, packet.dts, packet.duration = pts, dts, duration
        packet.is_keyframe, packet.is_corrupt = is_key, is_corrupt
        found.append((at, packet))
    return found


def stretch_gops(path: Path) -> Iterator[tuple[GopFacts, Packets]]:
    """The GOPs of a stretch with their packets, or only the key packet where no other is needed."""
    with path.open("rb") as file:
        while True:
            try:
                yield pickle.load(file)
            except EOFError:
                return
