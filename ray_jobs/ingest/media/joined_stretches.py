"""Chooses the key frames of a film whose stretches were read by several processes: see `film_stretches`."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
from av.video.stream import VideoStream

from ingest.common.sandbox_child import report_progress
from ingest.media.container import StreamDamage
from ingest.media.film_stretches import BegunFrames, Packets, read_packets, stretch_gops
from ingest.media.gops import GopFacts
from ingest.media.opening import open_media
from ingest.media.sampling import FrameFile, Sampling, SeenFrame
from ingest.media.stretch_reading import ReadFrame, ReadGop, read_file
from ingest.media.video import ExtractedFrames, GopDecoder, KeyFrameReader


def join_stretches(path: str, begun: BegunFrames, folder: Path, target: Path, sampling: Sampling) -> ExtractedFrames:
    """Go on with a film behind its beginning, whose key frames are in `target`. All of its stretches were read.

    Args:
        path: the film; its header is read.
        begun: what is known of it. It is changed.
        folder: where the stretches are.
        target: as for `extract_frames`.
        sampling: as for `extract_frames`.

    Raises:
        ObjectError: as in `open_media`.
    """
    with open_media(path) as container, target.open("r+b") as file:
        file.seek(0, 2)
        stream = cast(VideoStream, container.streams[begun.index])
        frames = FrameFile(file, sampling, begun.result.times)
        reader = KeyFrameReader(container, stream, begun.result, sampling, frames)
        reader.sampler = begun.sampler
        decoding = _Decoding(stream, sampling.size)
        for name in begun.files:
            report_progress()  # their number is bounded
            _join(reader, decoding, folder / name)
        reader.finish()
    return begun.result


def _join(reader: KeyFrameReader, decoding: _Decoding, stretch: Path) -> None:
    with read_file(str(stretch)).open("rb") as file:
        found: list[ReadGop] = pickle.load(file)
    for number, gop in enumerate(found):
        choice = reader.sampler.choose(gop.facts)
        if choice is None:
            continue
        if gop.whole == choice.whole:
            frames = decoding.replayed(stretch, number, gop)
            reader.result.damage.add(gop.damage)
        else:  # key frames have to be further apart than its reader knew: its key packet is enough
            frames = iter(list(decoding.frames(stretch, number, choice.whole, reader.result.damage)))
        reader.add(gop.facts, choice, frames)


class _Decoding:
    """Decodes GOPs of stretches again, where a frame was not kept."""

    def __init__(self, stream: VideoStream, size: int) -> None:
        self._stream, self._size = stream, size
        self._decoder = GopDecoder(stream)
        self._place: tuple[Path, int] | None = None
        self._next = 0
        self._frames: Iterator[SeenFrame] = iter(())

    def replayed(self, stretch: Path, number: int, gop: ReadGop) -> Iterator[SeenFrame]:
        """The frames of a GOP as its reader has found them."""
        for index, frame in enumerate(gop.frames):
            again = partial(self._again, stretch, number, bool(gop.whole), index)
            yield SeenFrame(
                frame.time,
                frame.corrupt,
                False,
                partial(_thumbnail, frame, again),
                partial(_picture, frame, again),
                dict,
            )

    def frames(self, stretch: Path, number: int, whole: bool, damage: StreamDamage) -> Iterator[SeenFrame]:
        """Decode a GOP of a stretch."""
        self._decoder.reset()
        self._place = None
        chain: list[tuple[GopFacts, Packets]] = []
        for index, (facts, packets) in enumerate(stretch_gops(stretch)):
            chain = [*chain, (facts, packets)] if facts.follows else [(facts, packets)]
            if index == number:
                break
        for facts, packets in chain[:-1]:
            for _ in self._decoder.frames(
                read_packets(packets, self._stream), facts.goes_on, self._size, StreamDamage()
            ):
                pass
        facts, packets = chain[-1]
        chosen = read_packets(packets if whole else packets[:1], self._stream)
        yield from self._decoder.frames(chosen, facts.goes_on, self._size, damage)

    def _again(self, stretch: Path, number: int, whole: bool, index: int) -> SeenFrame:
        if self._place != (stretch, number) or index < self._next:
            self._frames, self._next = self.frames(stretch, number, whole, StreamDamage()), 0
        while True:
            frame = next(self._frames)
            self._place = stretch, number
            self._next += 1
            if self._next > index:
                return frame


def _thumbnail(frame: ReadFrame, again: partial[SeenFrame]) -> np.ndarray:
    return again().thumbnail() if frame.thumbnail is None else frame.thumbnail


def _picture(frame: ReadFrame, again: partial[SeenFrame]) -> np.ndarray:
    return again().picture() if frame.picture is None else frame.picture
