"""Makes small media files with PyAV whose sounds and pictures are known: tones at given times, and given images."""

import itertools
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


def beeps(seconds: float, rate: int, at: Sequence[float] = (), hertz: float = 440) -> np.ndarray:
    """Silence with a tone of a tenth of a second at the given times: int16 of shape (1, n)."""
    time = np.arange(int(seconds * rate)) / rate
    loud = np.zeros_like(time)
    for start in at:
        loud[(time >= start) & (time < start + 0.1)] = 0.5
    return (loud * np.sin(2 * np.pi * hertz * time) * 32767).astype(np.int16)[None]


def make(
    path: Path,
    *,
    pictures: Sequence[Sequence[Any]] = (),
    sounds: Sequence[np.ndarray] = (),
    late: tuple[float, float] = (0.0, 0.0),
    rate: int = 16_000,
    codec: str = "libx264",
    sound_codec: str = "aac",
    pts: Sequence[int] | None = None,
    cover: Any = None,
    options: Mapping[str, str] | None = None,
    bit_rate: int | None = None,
) -> str:
    """Make a file with a video stream for each list of pictures (10 per second) and an audio stream for each array.

    Args:
        late: delays of video and audio in seconds.
        pts: time stamps of the pictures in hundredths of a second.
    """
    with av.open(str(path), "w", options=dict(options or {})) as container:
        streams: list[tuple[Any, Any, Any]] = []
        for images in pictures:
            stream: Any = container.add_stream(codec, rate=10, options={"threads": "1", "x264-params": "bframes=0"})
            stream.width, stream.height = images[0].size
            stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, 100)
            streams.append((stream, images, None))
        for samples in sounds:
            sound: Any = container.add_stream(sound_codec, rate=rate, layout="mono")
            if bit_rate:
                sound.bit_rate = bit_rate
            streams.append((sound, None, samples))
        if cover is not None:
            stream = container.add_stream("mjpeg", rate=1)
            stream.width, stream.height = cover.size
            stream.pix_fmt = "yuvj420p"
            stream.disposition = av.stream.Disposition.attached_pic
            streams.append((stream, [cover], None))
        packets: list[tuple[Any, Any]] = []
        for stream, images, samples in streams:
            if images is not None:
                frames = [av.VideoFrame.from_image(image) for image in images]
                for number, frame in enumerate(frames):
                    frame.pts = (pts or range(0, 10 * len(frames), 10))[number] + round(100 * late[0])
                    frame.time_base = Fraction(1, 100)
            else:
                whole: Any = av.AudioFrame.from_ndarray(samples, "s16", "mono")
                whole.sample_rate, whole.pts, whole.time_base = rate, round(rate * late[1]), Fraction(1, rate)
                frames = [whole]
            for frame in [*frames, None]:
                packets += [(p.dts * p.time_base, p) for p in stream.encode(frame)]
        for _, packet in sorted(packets, key=lambda item: item[0]):
            container.mux(packet)
    return str(path)


def onsets(pcm: Path | str) -> list[float]:
    """Seconds at which tones begin in the extracted audio."""
    samples = np.abs(np.fromfile(pcm, "<i2").astype(int)) > 3000
    loud = np.flatnonzero(samples) / 16_000
    return [float(loud[0]), *(float(b) for a, b in itertools.pairwise(loud) if b - a > 0.05)] if len(loud) else []
