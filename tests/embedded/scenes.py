"""Videos whose scenes are known exactly, in many codecs and with what makes scene changes hard to see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 320, 180

Painter = Callable[[float], np.ndarray]
"""From seconds since the scene's start to a picture: uint8 of shape (HEIGHT, WIDTH, 3)."""


@dataclass
class Scene:
    """`dissolve`: seconds in which it replaces the one before."""

    seconds: float
    paint: Painter
    dissolve: float = 0.0


@dataclass
class Video:
    """A codec and its settings."""

    codec: str = "libx264"
    rate: int = 25
    options: dict[str, str] = field(default_factory=dict)
    pixel_format: str = "yuv420p"


def photo(seed: int) -> Image.Image:
    """A picture with the statistics of a photo: blotches of all sizes in a few colours."""
    random = np.random.default_rng(seed)
    total = np.zeros((HEIGHT * 2, WIDTH * 2, 3))
    for size in (3, 6, 12, 24, 48, 96):
        noise = Image.fromarray(random.integers(0, 256, (size, size * 2, 3), np.uint8))
        total += np.asarray(noise.resize((WIDTH * 2, HEIGHT * 2), Image.Resampling.BICUBIC), float) / size
    total = (total - total.min()) / (total.max() - total.min())
    low, high = random.uniform(0, 0.4, 3), random.uniform(0.6, 1, 3)
    return Image.fromarray((255 * (low + (high - low) * total)).astype(np.uint8))


def still(image: Image.Image) -> Painter:
    """The middle of a picture."""
    data = np.asarray(image.resize((WIDTH, HEIGHT)))
    return lambda time: data


def zoom(image: Image.Image, speed: float = 0.06) -> Painter:
    """Slowly nearer."""

    def paint(time: float) -> np.ndarray:
        scale = 1 - min(0.6, speed * time)
        width, height = image.width * scale, image.height * scale
        left, top = (image.width - width) / 2, (image.height - height) / 2
        return np.asarray(
            image.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR, (left, top, left + width, top + height))
        )

    return paint


def pan(image: Image.Image, speed: float = 40) -> Painter:
    """To the right, by pixels in a second."""

    def paint(time: float) -> np.ndarray:
        left = min(image.width - WIDTH, speed * time)
        return np.asarray(
            image.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR, (left, 90, left + WIDTH, 90 + HEIGHT))
        )

    return paint


def grainy(inner: Painter, seed: int, strength: float = 12) -> Painter:
    """With the noise of a camera in the dark."""
    random = np.random.default_rng(seed)
    return lambda time: np.clip(inner(time) + random.normal(0, strength, (HEIGHT, WIDTH, 1)), 0, 255).astype(np.uint8)


def flashing(inner: Painter, at: float = 0.5, seconds: float = 0.12) -> Painter:
    """White for a moment."""
    white = np.full((HEIGHT, WIDTH, 3), 250, np.uint8)
    return lambda time: white if at <= time < at + seconds else inner(time)


def talking(inner: Painter, seed: int) -> Painter:
    """A large shape that moves all the time before a still background."""
    random = np.random.default_rng(seed)
    colour = tuple(int(c) for c in random.integers(60, 220, 3))

    def paint(time: float) -> np.ndarray:
        image = Image.fromarray(inner(time))
        x, y = 160 + 18 * np.sin(5 * time), 80 + 9 * np.sin(8 * time)
        draw = ImageDraw.Draw(image)
        draw.ellipse((x - 35, y - 45, x + 35, y + 45), fill=colour)
        draw.ellipse((x - 12, y + 12, x + 12, y + 14 + 8 * abs(np.sin(11 * time))), fill=(40, 10, 10))
        return np.asarray(image)

    return paint


def slide(seed: int, lines: int = 5) -> Painter:
    """Dark text on white, as most slides are."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (WIDTH, HEIGHT), (252, 252, 250))
    draw = ImageDraw.Draw(image)
    words = ["harbour", "keeper", "of", "lamp", "storm", "at", "dusk", "ledger", "the", "tide", "rope", "wick"]
    for line in range(lines):
        text = " ".join(random.choice(words, random.integers(3, 7)))
        draw.text((20, 20 + 28 * line), text, fill=(20, 20, 40), font_size=16)
    data = np.asarray(image)
    return lambda time: data


def frames(scenes: list[Scene], rate: int) -> Iterator[np.ndarray]:
    """All frames of the scenes, one after the other."""
    before: np.ndarray | None = None
    for scene in scenes:
        for index in range(round(scene.seconds * rate)):
            time = index / rate
            picture = scene.paint(time)
            if before is not None and time < scene.dissolve:
                part = time / scene.dissolve
                yield (before * (1 - part) + picture * part).astype(np.uint8)
            else:
                yield picture
        before = picture


def write(path: Path, scenes: list[Scene], video: Video) -> list[tuple[float, float]]:
    """Encode the scenes, and return first and last second of each, dissolves not counted."""
    with av.open(str(path), "w") as container:
        options = {"threads": "1", **video.options}
        stream = cast(VideoStream, container.add_stream(video.codec, rate=video.rate, options=options))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, video.pixel_format
        for number, data in enumerate(frames(scenes, video.rate)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(data), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, video.rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    spans, start = [], 0.0
    for scene in scenes:
        seconds = round(scene.seconds * video.rate) / video.rate
        spans.append((start + scene.dissolve, start + seconds))
        start += seconds
    return spans


def write_long(path: Path, scenes: list[Scene], times: int) -> None:
    """Encode the scenes in Full HD at 25 frames a second, and repeat their packets so many times."""
    with av.open(str(path), "w") as container:
        options = {"preset": "veryfast", "x264-params": "keyint=125"}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        packets = []
        for number, data in enumerate(frames(scenes, 25)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(data), "rgb24").reformat(1920, 1080, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        seconds = sum(scene.seconds for scene in scenes)
        for _ in range(times):
            for packet in packets:
                container.mux(packet)
                length = round(seconds / packet.time_base)  # of the stream, since it was written
                packet.pts, packet.dts = (packet.pts or 0) + length, (packet.dts or 0) + length
